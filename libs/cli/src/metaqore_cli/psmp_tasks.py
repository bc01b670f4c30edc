"""How tasks that wait for an agent look to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from metaqore.psmp.v1 import work_pb2 as pb
from metaqore_cli import finding
from metaqore_cli.labels import label_list, labels_text
from metaqore_cli.moments import ago, local
from metaqore_cli.names import enum_name, enum_value
from metaqore_cli.output import clean, print_json, print_table
from metaqore_cli.plain import plain
from metaqore_cli.psmp_client import paged
from metaqore_cli.shown import asking, note, tell_lines

_COLOURS = {"open": "cyan", "claimed": "yellow", "running": "yellow", "done": "green", "interrupted": "red"}


def list_tasks(project: str, state: str | None, labels: list[str] | None, limit: int, *, json: bool) -> None:
    """The tasks of a project, by id."""
    wanted: Any = enum_value(pb.TaskState.DESCRIPTOR, state)
    with asking(json=json) as client:
        ask = pb.ListTasksRequest(
            project_id=finding.project_id(client, project), state=wanted, labels=label_list(labels)
        )
        found = list(paged(client.tasks.ListTasks, ask, "tasks", limit))
    if json:
        print_json([plain(one) for one in found])
    else:
        print_table(("task", "state", "holder", "since", "title"), task_rows(found))
        if not project:
            note("of the project default; --project names another, and without options come all tasks of the doors")


def task_rows(tasks: Iterable[pb.Task]) -> Iterator[tuple[str, ...]]:
    """For a table: id, state, holder with the lease's end, since when, title."""
    for one in tasks:
        lease = f" (lease ends {ago(one.lease_time)})" if one.holder and one.HasField("lease_time") else ""
        yield (clean(one.id), task_state(one.state), clean(one.holder) + lease, ago(one.state_time), clean(one.title))


def tell_task(one: pb.Task) -> None:
    """A task, a line for each thing that it has."""
    tell_lines(
        {
            "task": clean(one.id),
            "title": f"[bold]{clean(one.title)}[/]",
            "description": clean(one.description),
            "labels": clean(labels_text(one.labels)),
            "project": clean(one.project_id),
            "state": f"{task_state(one.state)} since {local(one.state_time)}",
            "held by": clean(one.holder),
            "lease": local(one.lease_time) if one.holder else "",
            "claimed": {0: "", 1: "once"}.get(one.claims, f"{one.claims} times"),
            "error": clean(one.error),
            "revision": str(one.revision),
            "opened": local(one.create_time),
        }
    )


def task_state(state: int) -> str:
    """`open` and the like, in its colour."""
    name = enum_name(pb.TaskState.DESCRIPTOR, state)
    return f"[{_COLOURS.get(name, 'dim')}]{name}[/]"
