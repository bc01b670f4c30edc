"""The port behind which claims are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from metaqore_ai_gateway.domain.claim import Claim, Standing
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.domain.task_result import TaskResult


class ClaimStore(Protocol):
    """Remembers each task of the bus from its claim until a day after its result.

    A claim belongs to the writer that made it; no other writer touches it. What a method stored when it returns
    survives a crash, but for `finish`. An outage of the database delays `conclude` and `settled`; the others raise
    `database_unavailable`, and may be called again.
    """

    async def claim(self, claims: Sequence[Claim]) -> list[Standing | None]:
        """Claim all in one round trip. For each: None where it is ours now, or what stood there before.

        Of two claims of the same origin, in one call or two, at most one gets None.
        """
        ...

    def conclude(self, task: str, result: TaskResult, outcome: Outcome | None) -> Awaitable[None]:
        """Store the result, and the outcome that is still to be recorded, and delete the body."""
        ...

    async def finish(self, task: str) -> None:
        """The result is sent: forget the outcome, keep the result for a repeat.

        Stored some time later: should it be lost, the result is sent once more.
        """
        ...

    async def settled(self) -> None:
        """Return once every claim that was finished is stored as such."""
        ...

    async def count_attempt(self, task: str) -> int:
        """Count that the task runs once more, and give the new number of attempts."""
        ...

    async def unfinished(self) -> list[Standing]:
        """What this writer claimed and has not finished, oldest first."""
        ...

    async def find(self, task: str) -> Standing:
        """How the claim of `task` stands now."""
        ...
