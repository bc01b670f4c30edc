"""What each event means for a task."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from typing import assert_never

from metaqore_governance_core.psmp.work import (
    Claimed,
    Described,
    Ended,
    Event,
    LeaseExpired,
    LeaseExtended,
    Opened,
    Released,
    SeenStarted,
    Started,
    Work,
    WorkState,
)


def evolve(work: Work, event: Event) -> Work:  # noqa: PLR0911 - one return an event
    """`work` after `event`. Total: an event that is stored always applies."""
    match event:
        case Opened():
            return Work(
                WorkState.OPEN,
                event.id,
                event.organization,
                event.project,
                event.title,
                since_us=event.at_us,
                created_us=event.at_us,
            )
        case Described():
            return replace(work, title=event.title, description=event.description, labels=event.labels)
        case Claimed():
            return replace(
                work,
                state=WorkState.CLAIMED,
                holder=event.by,
                lease_until_us=event.until_us,
                claims=work.claims + 1,
                error=None,
                since_us=event.at_us,
            )
        case LeaseExtended():
            return replace(work, lease_until_us=event.until_us)
        case Released():
            return replace(work, state=WorkState.OPEN, holder="", lease_until_us=0, since_us=event.at_us)
        case LeaseExpired():
            return replace(work, holder="", lease_until_us=0)
        case Started():
            return replace(work, state=WorkState.RUNNING, since_us=event.at_us)
        case SeenStarted():
            return replace(
                work,
                state=WorkState.DENIED if event.denied else WorkState.RUNNING,
                id=event.id,
                organization=event.organization,
                project=event.project,
                error=event.error,
                since_us=event.at_us,
                created_us=work.created_us or event.at_us,
            )
        case Ended():
            return replace(
                work, state=event.state, error=event.error, holder="", lease_until_us=0, since_us=event.at_us
            )
        case _:
            assert_never(event)


def replay(events: Iterable[Event]) -> Work:
    """The state that `events` lead to."""
    return reduce(evolve, events, Work())
