"""A way to stop work midway that leaves it open: no outcome is recorded any more."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.service.ports import Appended
from metaqore_governance_core.errors import ErrorKind, MetaQoreError


class Recorder(Protocol):
    """`RecordOutcome`, or what stands before it."""

    def __call__(self, outcome: Outcome) -> Awaitable[Appended]:
        """Done once the record is durable."""
        ...


class OutcomeGate:
    """Passes outcomes on until it is closed.

    A claimed task that is cut off at the end of the process must not end as cancelled: nobody cancelled it, and the
    next start runs it again under its decision.
    """

    def __init__(self, record: Recorder) -> None:
        self._record = record
        self._open = True

    def __call__(self, outcome: Outcome) -> Awaitable[Appended]:
        """See `RecordOutcome`. Raises `gateway_stopping` once it is closed."""
        if not self._open:
            raise MetaQoreError(
                "gateway_stopping",
                "The gateway stops; the task goes on at its next start.",
                kind=ErrorKind.UNAVAILABLE,
                retryable=True,
            )
        return self._record(outcome)

    def close(self) -> None:
        """Record nothing more."""
        self._open = False
