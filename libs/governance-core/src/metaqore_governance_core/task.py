"""The life of a task: it begins or is denied, and ends once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import reduce
from typing import Final, assert_never

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

POLICY_CHANGED: Final = "policy_changed"


class TaskState(StrEnum):
    """Where a task stands. All but `running` are final."""

    RUNNING = "running"
    DONE = "done"
    DENIED = "denied"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


FINAL_STATES: Final = frozenset(TaskState) - {TaskState.RUNNING}


@dataclass(frozen=True, slots=True)
class Task:
    """`state` is None until a decision is recorded; `error` is the reason code of an end that is not `done`."""

    state: TaskState | None = None
    id: str = ""
    organization: str = ""
    project: str | None = None
    policy_version: str = ""
    attempts: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """The decision permits the task and is durable: run it."""

    id: str
    organization: str
    policy_version: str
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Deny:
    """The decision denies the task and is durable."""

    id: str
    organization: str
    policy_version: str
    reason: str
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Resume:
    """Run a task again whose end was never recorded: another attempt under the same decision."""

    policy_version: str


@dataclass(frozen=True, slots=True)
class Complete:
    """The answer is whole."""


@dataclass(frozen=True, slots=True)
class Fail:
    """No provider gave an answer."""

    error: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The mesh cut the task off."""

    error: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Whoever asked no longer wants it."""

    error: str = "cancelled"


@dataclass(frozen=True, slots=True)
class Begun:
    """The task runs."""

    id: str
    organization: str
    policy_version: str
    project: str | None


@dataclass(frozen=True, slots=True)
class Denied:
    """The task will not run."""

    id: str
    organization: str
    policy_version: str
    project: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """The task runs once more."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The task reached a final state."""

    state: TaskState
    error: str | None = None


Command = Begin | Deny | Resume | Complete | Fail | Interrupt | Cancel
Event = Begun | Denied | Resumed | Ended


class TaskRefusedError(MetaQoreError):
    """The command is not allowed in the task's state."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, kind=ErrorKind.CONFLICT)


def decide(task: Task, command: Command) -> list[Event]:
    """The events that `command` causes. Raises `TaskRefusedError`."""
    if task.state in FINAL_STATES:
        raise TaskRefusedError("task_ended", f"The task is {task.state}; submit another.")
    begins = isinstance(command, Begin | Deny)
    if begins and task.state is not None:
        raise TaskRefusedError("task_already_begun", "The task already has its decision.")
    if not begins and task.state is None:
        raise TaskRefusedError("task_not_begun", "The task has no decision yet, and nothing happens before it.")
    return [_event(task, command)]


def _event(task: Task, command: Command) -> Event:
    event: Event
    match command:
        case Begin(id=id_, organization=organization, policy_version=version, project=project):
            event = Begun(id_, organization, version, project)
        case Deny(id=id_, organization=organization, policy_version=version, reason=reason, project=project):
            event = Denied(id_, organization, version, project, reason)
        case Resume(policy_version=version):
            same = version == task.policy_version
            event = Resumed() if same else Ended(TaskState.INTERRUPTED, POLICY_CHANGED)
        case Complete():
            event = Ended(TaskState.DONE)
        case Fail(error=error):
            event = Ended(TaskState.FAILED, error)
        case Interrupt(error=error):
            event = Ended(TaskState.INTERRUPTED, error)
        case Cancel(error=error):
            event = Ended(TaskState.CANCELLED, error)
        case _:
            assert_never(command)
    return event


def evolve(task: Task, event: Event) -> Task:
    """`task` after `event`. Total: an event that is stored always applies."""
    match event:
        case Begun(id_, organization, version, project):
            return Task(TaskState.RUNNING, id_, organization, project, version, attempts=1)
        case Denied(id_, organization, version, project, reason):
            return Task(TaskState.DENIED, id_, organization, project, version, error=reason)
        case Resumed():
            return replace(task, attempts=task.attempts + 1)
        case Ended(state, error):
            return replace(task, state=state, error=error)
        case _:
            assert_never(event)


def replay(events: Iterable[Event]) -> Task:
    """The state that `events` lead to."""
    return reduce(evolve, events, Task())
