"""Who may use the engine now, who waits, and who is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from metaqore_governance_core.errors import ErrorKind, MetaQoreError


class Admission:
    """Lets `slots` in at a time, in the order of their arrival; at most `queue_limit` wait.

    More than that get `queue_full` (exhausted); one that waits past its deadline gets `queue_deadline`.
    """

    def __init__(self, slots: int, queue_limit: int) -> None:
        self._places = asyncio.Semaphore(slots)
        self._queue_limit = queue_limit
        self.waiting = 0
        self.running = 0

    @asynccontextmanager
    async def place(self, deadline_s: float) -> AsyncGenerator[None]:
        """A place in the engine, for as long as the block runs. `deadline_s` is how long it may wait for it."""
        await self._enter(deadline_s)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._places.release()

    async def _enter(self, deadline_s: float) -> None:
        if self._places.locked() and self.waiting >= self._queue_limit:
            raise MetaQoreError(
                "queue_full",
                f"The engine is busy and {self.waiting} requests wait already. Try again later.",
                kind=ErrorKind.EXHAUSTED,
                retryable=True,
            )
        self.waiting += 1
        try:
            async with asyncio.timeout(deadline_s):
                await self._places.acquire()
        except TimeoutError as error:
            raise MetaQoreError(
                "queue_deadline",
                "No place in the engine came free before the deadline. Allow more time, or try again later.",
                kind=ErrorKind.DEADLINE_EXCEEDED,
                retryable=True,
            ) from error
        finally:
            self.waiting -= 1
