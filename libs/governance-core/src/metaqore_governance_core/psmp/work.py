"""A task as the project sees it: open for agents, claimed under a lease, run, and at last ended.

The same thing as `metaqore_governance_core.task`, with what comes before the run. There the run itself is decided, with
one decision and one outcome on record; here its start and end are taken from the task's own events.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.durations import until
from metaqore_governance_core.psmp.refusal import conflict, forbidden
from metaqore_governance_core.task import TaskState


class WorkState(StrEnum):
    """Where a unit of work stands. An `interrupted` one may be claimed again."""

    OPEN = "open"
    CLAIMED = "claimed"
    RUNNING = TaskState.RUNNING.value
    DONE = TaskState.DONE.value
    FAILED = TaskState.FAILED.value
    DENIED = TaskState.DENIED.value
    CANCELLED = TaskState.CANCELLED.value
    INTERRUPTED = TaskState.INTERRUPTED.value


FINAL_WORK_STATES: Final = frozenset({WorkState.DONE, WorkState.FAILED, WorkState.DENIED, WorkState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Work:
    """`state` is None until it is opened or seen to run. `holder` has the lease until `lease_until_us`.

    `created_us` is when it was first known here, `since_us` since when it is in its state.
    """

    state: WorkState | None = None
    id: str = ""
    organization: str = ""
    project: str = ""
    title: str = ""
    holder: str = ""
    lease_until_us: int = 0
    claims: int = 0
    error: str | None = None
    since_us: int = 0
    created_us: int = 0
    description: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Command:
    """Who asks, and when: microseconds since the Unix epoch, from the caller's clock."""

    by: Actor
    at_us: int


@dataclass(frozen=True, slots=True)
class Open(_Command):
    """Record a task that waits for an agent; it runs nothing."""

    id: str
    organization: str
    project: str
    title: str


@dataclass(frozen=True, slots=True)
class Describe(_Command):
    """Change what a person reads about it; labels are sorted by name. None leaves it as it is."""

    title: str | None = None
    description: str | None = None
    labels: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Claim(_Command):
    """Take it for so long. Whoever holds it already extends the lease."""

    lease_us: int


@dataclass(frozen=True, slots=True)
class Release(_Command):
    """Give the claim back."""


@dataclass(frozen=True, slots=True)
class Start(_Command):
    """The holder begins."""


@dataclass(frozen=True, slots=True)
class Complete(_Command):
    """The holder is done."""


@dataclass(frozen=True, slots=True)
class Fail(_Command):
    """The holder could not do it."""

    error: str


@dataclass(frozen=True, slots=True)
class Cancel(_Command):
    """Nobody wants it any more."""

    error: str = "cancelled"


@dataclass(frozen=True, slots=True)
class Expire(_Command):
    """The lease is over: what was claimed is open again, what ran is interrupted."""


@dataclass(frozen=True, slots=True)
class SeeStarted(_Command):
    """A task's own event tells that it runs, or that it was denied. It may never have been opened here."""

    id: str
    organization: str
    project: str
    denied: bool
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SeeEnded(_Command):
    """A task's own event tells how it ended."""

    state: TaskState
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Event:
    by: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Opened(_Event):
    """It waits for an agent."""

    id: str
    organization: str
    project: str
    title: str


@dataclass(frozen=True, slots=True)
class Described(_Event):
    """Its title, description and labels are these."""

    title: str
    description: str
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Claimed(_Event):
    """`by` holds it until then."""

    until_us: int


@dataclass(frozen=True, slots=True)
class LeaseExtended(_Event):
    """`by` holds it longer."""

    until_us: int


@dataclass(frozen=True, slots=True)
class Released(_Event):
    """Nobody holds it."""


@dataclass(frozen=True, slots=True)
class LeaseExpired(_Event):
    """The holder's time is over."""

    holder: str


@dataclass(frozen=True, slots=True)
class Started(_Event):
    """It runs."""


@dataclass(frozen=True, slots=True)
class SeenStarted(_Event):
    """It runs, or was denied, through a door."""

    id: str
    organization: str
    project: str
    denied: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class Ended(_Event):
    """It ended so."""

    state: WorkState
    error: str | None = None


Command = Open | Describe | Claim | Release | Start | Complete | Fail | Cancel | Expire | SeeStarted | SeeEnded
Event = Opened | Described | Claimed | LeaseExtended | Released | LeaseExpired | Started | SeenStarted | Ended

_CLAIMABLE: Final = frozenset({WorkState.OPEN, WorkState.INTERRUPTED})
_HELD: Final = frozenset({WorkState.CLAIMED, WorkState.RUNNING})


def decide(work: Work, command: Command) -> list[Event]:
    """The events that `command` causes. Raises `PsmpRefusedError`."""
    _check_stands(work, command)
    by, at_us = command.by.name, command.at_us
    happened: list[Event]
    match command:
        case Open():
            happened = [_opened(work, command)]
        case Describe():
            happened = [_described(work, command)]
        case SeeStarted():
            happened = [_seen_started(work, command)]
        case SeeEnded():
            _expect(work, "see the end of", WorkState.RUNNING)
            happened = [Ended(by, at_us, WorkState(command.state), command.error)]
        case Claim():
            happened = _claimed(work, command)
        case Cancel():
            happened = [Ended(by, at_us, WorkState.CANCELLED, command.error)]
        case Expire():
            happened = _expired(work, command)
        case Release() | Start() | Complete() | Fail():
            happened = [_by_holder(work, command)]
        case _:
            assert_never(command)
    return happened


def _check_stands(work: Work, command: Command) -> None:
    if work.state in FINAL_WORK_STATES:
        raise conflict("task_ended", f"The task is {work.state}, and that is final. Open another.")
    if work.state is None and not isinstance(command, Open | SeeStarted):
        raise conflict("task_missing", "There is no such task. Open it first.")


def _expect(work: Work, verb: str, *states: WorkState) -> None:
    if work.state not in states:
        wanted = " or ".join(sorted(states))
        raise conflict("wrong_task_state", f"The task is {work.state}; you can {verb} it only while it is {wanted}.")


def _opened(work: Work, command: Open) -> Event:
    if work.state is not None:
        raise conflict("task_exists", "The task exists already. Open another under its own id.")
    return Opened(command.by.name, command.at_us, command.id, command.organization, command.project, command.title)


def _described(work: Work, command: Describe) -> Event:
    by, at_us = command.by.name, command.at_us
    title = work.title if command.title is None else command.title
    if title != work.title and work.state in _HELD and work.holder != by and not _is_over(work, at_us):
        held = f"{work.holder} holds" if work.holder else "A door runs"
        raise conflict("task_held", f"{held} the task by the title that it has. Change description and labels alone.")
    described = work.description if command.description is None else command.description
    labels = work.labels if command.labels is None else tuple(sorted(command.labels))
    return Described(by, at_us, title, described, labels)


def _seen_started(work: Work, command: SeeStarted) -> Event:
    if work.state is WorkState.RUNNING:
        raise conflict("task_running", "The task is known to run already.")
    return SeenStarted(
        command.by.name,
        command.at_us,
        command.id,
        command.organization,
        command.project,
        command.denied,
        command.error,
    )


def _claimed(work: Work, command: Claim) -> list[Event]:
    by, at_us = command.by.name, command.at_us
    if command.lease_us < 1:
        raise conflict("lease_invalid", "A lease lasts at least a microsecond. Ask for a longer one.")
    until_us = at_us + command.lease_us
    if work.state in _HELD:
        if _is_over(work, at_us):
            return [*_expired(work, command), Claimed(by, at_us, until_us)]
        if work.holder == by:
            return [LeaseExtended(by, at_us, max(until_us, work.lease_until_us))]
        left = until(work.lease_until_us, at_us)
        held = f"by {work.holder}, whose lease ends {left}" if work.holder else "by a door"
        raise conflict("task_claimed", f"The task is held {held}. Wait until then, or ask for its release.")
    _expect(work, "claim", *_CLAIMABLE)
    return [Claimed(by, at_us, until_us)]


def _expired(work: Work, command: Expire | Claim) -> list[Event]:
    by, at_us = command.by.name, command.at_us
    _expect(work, "let the lease expire of", *_HELD)
    if not _is_over(work, at_us):
        raise conflict("lease_stands", "The lease is not over, and until then the task is its holder's.")
    expired = LeaseExpired(by, at_us, work.holder)
    if work.state is WorkState.RUNNING:
        return [expired, Ended(by, at_us, WorkState.INTERRUPTED, "lease_expired")]
    return [expired, Released(by, at_us)]


def _is_over(work: Work, at_us: int) -> bool:
    """Whether its holder's time is over; a door has no such time."""
    return bool(work.holder) and at_us >= work.lease_until_us


def _by_holder(work: Work, command: Release | Start | Complete | Fail) -> Event:
    by, at_us = command.by.name, command.at_us
    verb = type(command).__name__.lower()
    _expect(work, verb, *((WorkState.RUNNING,) if isinstance(command, Complete | Fail) else (WorkState.CLAIMED,)))
    if work.holder != by:
        raise forbidden("not_holder", f"The task is held by {work.holder or 'a door'}; only the holder can {verb} it.")
    if at_us >= work.lease_until_us:
        raise conflict("lease_over", "Your lease is over. Claim the task again.")
    match command:
        case Release():
            return Released(by, at_us)
        case Start():
            return Started(by, at_us)
        case Complete():
            return Ended(by, at_us, WorkState.DONE)
        case Fail():
            return Ended(by, at_us, WorkState.FAILED, command.error)
        case _:
            assert_never(command)
