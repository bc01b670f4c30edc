"""A webhook, what it was sent, and when what was not taken is sent again."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_FIRST_RETRY_S: Final = 5.0
_GROWTH: Final = 4.0
_LONGEST_RETRY_S: Final = 6 * 3600.0
MOST_ATTEMPTS: Final = 11
"""The last of them comes about a day after the first."""

_JITTER: Final = 0.2
_US: Final = 1_000_000


class WebhookState(StrEnum):
    """Whether anything is sent to it."""

    ACTIVE = "active"
    DISABLED = "disabled"


class DeliveryState(StrEnum):
    """Where one message to one webhook stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events are sent, and which. What is empty does not narrow it. `reason` is why it is disabled.

    `secret` signs what is sent to it, and is sealed.
    """

    id: str
    organization: str
    url: str
    description: str = ""
    projects: tuple[str, ...] = ()
    aggregate: str = ""
    aggregate_id: str = ""
    names: tuple[str, ...] = ()
    state: WebhookState = WebhookState.ACTIVE
    reason: str = ""
    by: str = ""
    created_us: int = 0
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending. `status` is what HTTP answered, None where it did not; `error` is empty where it was taken."""

    at_us: int
    duration_us: int
    status: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one webhook. `attempts` are the last ones; `due_us` is when it is sent next, while it waits."""

    id: str
    webhook: str
    project: str
    version: int
    name: str
    state: DeliveryState
    attempts: tuple[Attempt, ...]
    attempt_count: int
    due_us: int
    created_us: int
    ended_us: int | None = None


def retry_us(attempts: int, chance: float, asked_s: float | None = None) -> int | None:
    """After so many attempts, in how many microseconds to try again; None where it was the last.

    Exponential, with `chance` from 0 to 1 as jitter. `asked_s` is what the other side asked to wait.
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    delay_s = min(_FIRST_RETRY_S * _GROWTH ** (attempts - 1), _LONGEST_RETRY_S)
    delay_s *= 1 + _JITTER * (2 * chance - 1)
    if asked_s is not None:
        delay_s = max(delay_s, min(asked_s, _LONGEST_RETRY_S))
    return int(delay_s * _US)
