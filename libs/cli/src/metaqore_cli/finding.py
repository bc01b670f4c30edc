"""From the names that people use to ids: projects, artifacts with a version, tasks, conflicts, checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import typer
from google.protobuf.timestamp_pb2 import Timestamp

from metaqore.psmp.v1 import artifact_pb2 as artifacts
from metaqore.psmp.v1 import checkpoint_pb2 as checkpoints
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as conflicts
from metaqore.psmp.v1 import project_pb2 as projects
from metaqore.psmp.v1 import work_pb2 as work
from metaqore_cli.moments import moment
from metaqore_cli.psmp_client import PsmpClient, paged
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

_ARTIFACT_ID: Final = re.compile(r"artifact_[a-z2-7]{26}")
_CHECKPOINT_ID: Final = re.compile(r"checkpoint_[a-z2-7]{26}")
_CONFLICT_ID: Final = re.compile(r"conflict_[0-9a-f]{24}")
_VERSIONED: Final = re.compile(r"(.+)@v?([1-9][0-9]*)", re.DOTALL)
_DEFAULT: Final = frozenset({"", "default"})
"""What the mesh takes for the organization's default project."""
_TOLD: Final = 8
"""How many names an error lists."""


@dataclass(frozen=True, slots=True)
class Found:
    """An artifact, and the version that was named; None where none was."""

    artifact: artifacts.Artifact
    version: int | None

    @property
    def newest(self) -> int:
        """The version that was named, else the newest."""
        return self.version or self.artifact.latest.number

    @property
    def counting(self) -> int:
        """The version that was named, else the one that counts, else the newest."""
        return self.version or self.artifact.active_version or self.artifact.latest.number


def project_id(client: PsmpClient, name: str) -> str:
    """The id of a project by its name or id; empty is the organization's default. Raises `project_not_found`."""
    if name in _DEFAULT or is_uuid(name):
        return name
    known = list(paged(client.projects.ListProjects, projects.ListProjectsRequest(), "projects"))
    found = [one.id for one in known if one.name == name]
    return only("project", name, found, (one.name for one in known), "metaqore project list")


def artifact(client: PsmpClient, project: str, reference: str, at: common.Point | None = None) -> Found:
    """An artifact by its name or id, with `@<version>` where one is meant. Raises `artifact_not_found`."""
    versioned = _VERSIONED.fullmatch(reference)
    if versioned is not None:
        found = _artifact(client, project, versioned[1], at)
        if found is not None:
            return Found(found, int(versioned[2]))
    found = _artifact(client, project, reference, at)
    if found is not None:
        return Found(found, None)
    where = _where(client, project)
    raise _missing("artifact", f"There is no artifact {reference!r}{where}. See: metaqore artifact list")


def _where(client: PsmpClient, project: str) -> str:
    if project in _DEFAULT:
        return " in the default project; name another by --project"
    told: projects.GetProjectResponse = client.projects.GetProject(projects.GetProjectRequest(id=project))
    return f" in the project {told.project.name}"


def versioned_id(text: str) -> tuple[str, int] | None:
    """An artifact's id and a version, of `artifact_…@2`; None for anything else."""
    versioned = _VERSIONED.fullmatch(text)
    return (versioned[1], int(versioned[2])) if versioned and _ARTIFACT_ID.fullmatch(versioned[1]) else None


def _artifact(client: PsmpClient, project: str, name: str, at: common.Point | None) -> artifacts.Artifact | None:
    if _ARTIFACT_ID.fullmatch(name):
        answer: artifacts.GetArtifactResponse = client.artifacts.GetArtifact(
            artifacts.GetArtifactRequest(artifact_id=name, at=at)
        )
        return answer.artifact
    ask = artifacts.ListArtifactsRequest(project_id=project, name_prefix=name, at=at)
    # A name comes before all that it begins.
    return next((one for one in paged(client.artifacts.ListArtifacts, ask, "artifacts", 1) if one.name == name), None)


def conflict_id(client: PsmpClient, project: str, text: str) -> str:
    """A conflict's id, or the beginning of that of one that stands. Raises `conflict_not_found`."""
    if _CONFLICT_ID.fullmatch(text):
        return text
    ask = conflicts.ListConflictsRequest(project_id=project)
    known = [one.id for one in paged(client.conflicts.ListConflicts, ask, "conflicts")]
    found = [one for one in known if one.startswith((text, f"conflict_{text}"))]
    return only("conflict", text, found, known, "metaqore conflict list")


def checkpoint_id(client: PsmpClient, project: str, name: str) -> str:
    """The id of a checkpoint by its name or id. Raises `checkpoint_not_found`."""
    if _CHECKPOINT_ID.fullmatch(name) or is_uuid(name):
        return name
    ask = checkpoints.ListCheckpointsRequest(project_id=project)
    known = list(paged(client.checkpoints.ListCheckpoints, ask, "checkpoints"))
    found = [one.id for one in known if one.name == name]
    return only("checkpoint", name, found, (one.name for one in known), "metaqore checkpoint list")


def task_id(client: PsmpClient, project: str, text: str) -> str:
    """The id of a task by its id, the beginning of it, or its title. Raises `task_not_found`."""
    if is_uuid(text):
        return text
    known = list(paged(client.tasks.ListTasks, work.ListTasksRequest(project_id=project), "tasks"))
    found = [one.id for one in known if one.title == text or one.id.startswith(text)]
    return only("task", text, found, (one.id for one in known), "metaqore task list --project …")


def point(client: PsmpClient, project: str, text: str | None) -> common.Point | None:
    """A point in the past: a version, a time, or a checkpoint's name; None for now. Raises `typer.BadParameter`."""
    if text is None:
        return None
    number = text.removeprefix("v")
    if number.isascii() and number.isdecimal():
        return common.Point(version=int(number))
    when = moment(text)
    if when is not None:
        time = Timestamp()
        time.FromDatetime(when)
        return common.Point(time=time)
    try:
        return common.Point(checkpoint_id=checkpoint_id(client, project, text))
    except MetaQoreError as error:
        if error.kind is not ErrorKind.NOT_FOUND:
            raise
        where = _where(client, project)
        raise typer.BadParameter(
            f"{text!r} is no point of the past{where}. A point is a version such as 41, a time such as "
            "2026-10-03T14:00 or '2h ago', or a checkpoint; see: metaqore checkpoint list"
        ) from error


def only(what: str, wanted: str, found: list[str], known: Iterable[str], look: str) -> str:
    """The one that is `found`. Raises `<what>_not_found` or `<what>_ambiguous`, with what there is."""
    if len(found) == 1:
        return found[0]
    if found:
        raise MetaQoreError(
            f"{what}_ambiguous",
            f"{wanted!r} may mean {len(found)} of them: {', '.join(found[:_TOLD])}. Give the id.",
            kind=ErrorKind.INVALID,
        )
    names = sorted(known)
    some = f"There are: {', '.join(names[:_TOLD])}{', …' if len(names) > _TOLD else ''}. " if names else ""
    raise _missing(what, f"There is no {what} {wanted!r}. {some}See: {look}")


def _missing(what: str, message: str) -> MetaQoreError:
    return MetaQoreError(f"{what}_not_found", message, kind=ErrorKind.NOT_FOUND)


def is_uuid(text: Any) -> bool:
    """Whether it is an id whole."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True
