"""How readers learn that a log has grown, whichever process has sealed it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Doorbell:
    """Rings for an organization whose log has grown: PostgreSQL's NOTIFY, and a slow poll for what it misses."""

    def __init__(self, *, poll_s: float = 1.0) -> None:
        self._poll_s = poll_s
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def ring(self, organization: str) -> None:
        """The log of `organization` has grown."""
        for event in self._waiting.get(organization, ()):
            event.set()

    @asynccontextmanager
    async def listen(self, organization: str) -> AsyncIterator[AsyncIterator[None]]:
        """Gives an item at each ring, and at least every `poll_s`."""
        event = asyncio.Event()
        self._waiting.setdefault(organization, set()).add(event)

        async def rings() -> AsyncIterator[None]:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), self._poll_s)
                event.clear()
                yield None

        try:
            yield rings()
        finally:
            waiting = self._waiting[organization]
            waiting.discard(event)
            if not waiting:
                del self._waiting[organization]
