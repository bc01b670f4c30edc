"""How many tasks run at once, and whether new ones are taken."""

from __future__ import annotations

import asyncio

from metaqore_governance_core.errors import ErrorKind, MetaQoreError


class Admission:
    """Counts running tasks; refuses above `limit`, and once it is closed."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running = 0
        self._open = True
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> int:
        """How many tasks run now."""
        return self._running

    def enter(self) -> None:
        """Take a place; `leave` gives it back. Raises `MetaQoreError`: `draining` once closed, `overloaded` where
        none is free.
        """
        if not self._open:
            message = "The gateway is shutting down. Send the task again in a moment."
            raise MetaQoreError("draining", message, kind=ErrorKind.UNAVAILABLE, retryable=True)
        if self._running >= self._limit:
            message = "The gateway runs as many tasks as it may. Send the task again in a moment."
            raise MetaQoreError("overloaded", message, kind=ErrorKind.EXHAUSTED, retryable=True)
        self._running += 1
        if self._running == 1:
            self._idle.clear()

    def leave(self) -> None:
        """Give a place back."""
        self._running -= 1
        if not self._running:
            self._idle.set()

    def close(self) -> None:
        """Take no more tasks."""
        self._open = False

    async def idle(self) -> None:
        """Wait until none is running."""
        await self._idle.wait()
