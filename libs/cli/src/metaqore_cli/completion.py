"""What a shell completes: names of projects, artifacts and checkpoints, ids of conflicts and of tasks that wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Final

import typer

from metaqore.psmp.v1 import artifact_pb2 as artifacts_pb
from metaqore.psmp.v1 import checkpoint_pb2 as checkpoints_pb
from metaqore.psmp.v1 import conflict_pb2 as conflicts_pb
from metaqore.psmp.v1 import project_pb2 as projects_pb
from metaqore.psmp.v1 import work_pb2 as work_pb
from metaqore_cli import finding
from metaqore_cli.connection import connect
from metaqore_cli.names import enum_name
from metaqore_cli.psmp_client import PsmpClient, paged
from metaqore_cli.shell_words import Completed, offered
from metaqore_governance_core.errors import MetaQoreError

DEADLINE_S: Final = 2.0
"""A shell that waits longer for a Tab is worse than one that completes nothing."""

LIMIT: Final = 200


def projects(incomplete: str) -> Completed:
    """Projects by name."""
    return _completed(_projects, "", incomplete)


def artifacts(ctx: typer.Context, incomplete: str) -> Completed:
    """Artifacts of the project that the line names, by name."""
    return _completed(_artifacts, _project(ctx), incomplete)


def checkpoints(ctx: typer.Context, incomplete: str) -> Completed:
    """Checkpoints by name."""
    return _completed(_checkpoints, _project(ctx), incomplete)


def conflicts(ctx: typer.Context, incomplete: str) -> Completed:
    """Conflicts that stand, by id."""
    return _completed(_conflicts, _project(ctx), incomplete)


def choices(ctx: typer.Context, incomplete: str) -> Completed:
    """The choices that fit the conflict that the line names, its suggestion first."""

    def fitting(client: PsmpClient, project: str, _: str) -> Iterator[tuple[str, str]]:
        id_ = finding.conflict_id(client, project, ctx.params.get("conflict") or "")
        found = client.conflicts.GetConflict(conflicts_pb.GetConflictRequest(id=id_)).conflict
        for position, one in enumerate(found.choices):
            yield choice_name(one), "suggested" if position == 0 else ""

    return _completed(fitting, _project(ctx), incomplete) or [
        (one, "") for one in _CHOICES if one.startswith(incomplete)
    ]


def tasks(ctx: typer.Context, incomplete: str) -> Completed:
    """Tasks by id."""
    return _completed(_tasks, _project(ctx), incomplete)


def choice_name(choice: int) -> str:
    """`keep_existing` and the like."""
    return enum_name(conflicts_pb.Choice.DESCRIPTOR, choice)


_CHOICES: Final = [choice_name(number) for number in conflicts_pb.Choice.values() if number]


def _projects(client: PsmpClient, _: str, __: str) -> Iterator[tuple[str, str]]:
    for one in paged(client.projects.ListProjects, projects_pb.ListProjectsRequest(), "projects", LIMIT):
        yield one.name, one.description


def _artifacts(client: PsmpClient, project: str, incomplete: str) -> Iterator[tuple[str, str]]:
    ask = artifacts_pb.ListArtifactsRequest(project_id=project, name_prefix=incomplete)
    for one in paged(client.artifacts.ListArtifacts, ask, "artifacts", LIMIT):
        phase = enum_name(artifacts_pb.Phase.DESCRIPTOR, one.latest.phase)
        yield one.name, f"v{one.latest.number} {phase}"


def _checkpoints(client: PsmpClient, project: str, _: str) -> Iterator[tuple[str, str]]:
    ask = checkpoints_pb.ListCheckpointsRequest(project_id=project)
    for one in paged(client.checkpoints.ListCheckpoints, ask, "checkpoints", LIMIT):
        yield one.name, f"version {one.version}"


def _conflicts(client: PsmpClient, project: str, _: str) -> Iterator[tuple[str, str]]:
    ask = conflicts_pb.ListConflictsRequest(project_id=project)
    for one in paged(client.conflicts.ListConflicts, ask, "conflicts", LIMIT):
        yield one.id, f"{one.type} {one.key}"


def _tasks(client: PsmpClient, project: str, _: str) -> Iterator[tuple[str, str]]:
    for one in paged(client.tasks.ListTasks, work_pb.ListTasksRequest(project_id=project), "tasks", LIMIT):
        yield one.id, one.title


def _project(ctx: typer.Context) -> str:
    return ctx.params.get("project") or os.environ.get("METAQORE_PROJECT", "")


def _completed(
    look: Callable[[PsmpClient, str, str], Iterator[tuple[str, str]]], project: str, incomplete: str
) -> Completed:
    """Nothing where the mesh cannot be asked: a Tab is no place for an error."""
    try:
        with PsmpClient(connect(), DEADLINE_S) as client:
            id_ = finding.project_id(client, project)
            return offered(look(client, id_, incomplete), incomplete)
    except MetaQoreError:
        return []
