"""What a shell completes of what came through a door: ids of tasks, receipts and keys, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import typer

from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore_cli import completion
from metaqore_cli.client import Client
from metaqore_cli.connection import connect
from metaqore_cli.names import state_name
from metaqore_cli.shell_words import Completed, offered
from metaqore_governance_core.errors import MetaQoreError


def tasks(ctx: typer.Context, incomplete: str) -> Completed:
    """Tasks by id: those that came through a door, and those that wait in the project that the line names."""
    ran = _completed(_tasks, incomplete)
    known = {id_ for id_, _ in ran}
    return ran + [one for one in completion.tasks(ctx, incomplete) if one[0] not in known]


def receipts(incomplete: str) -> Completed:
    """Receipts of tasks, by id."""
    return _completed(_receipts, incomplete)


def keys(incomplete: str) -> Completed:
    """Keys that hold, by id."""
    return _completed(_keys, incomplete)


def _tasks(client: Client) -> Iterator[tuple[str, str]]:
    for one in client.list_tasks(completion.LIMIT):
        yield one.id, _about(one)


def _receipts(client: Client) -> Iterator[tuple[str, str]]:
    for one in client.list_tasks(completion.LIMIT):
        yield one.receipt_id, _about(one)


def _about(task: gateway.Task) -> str:
    return f"{state_name(task.state)} {task.create_time.ToDatetime():%m-%d %H:%M:%S} {task.model}"


def _keys(client: Client) -> Iterator[tuple[str, str]]:
    for one in client.list_keys():
        if not one.HasField("revoke_time"):
            yield one.id, one.caller


def _completed(look: Callable[[Client], Iterator[tuple[str, str]]], incomplete: str) -> Completed:
    """Nothing where the mesh cannot be asked: a Tab is no place for an error."""
    try:
        with Client(connect(), completion.DEADLINE_S) as client:
            return offered(look(client), incomplete)
    except MetaQoreError:
        return []
