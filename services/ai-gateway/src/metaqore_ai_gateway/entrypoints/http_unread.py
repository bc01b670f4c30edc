"""A client that takes nothing of what waits for it."""

from __future__ import annotations

import asyncio


class UnreadWatch:
    """Aborts a connection whose client takes nothing of what waits for it here."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport, seconds: float) -> None:
        """Abort once nothing was taken for so long. Goes on with what it watches already."""
        if self._timer is None:
            self._timer = self._loop.call_later(
                seconds, self._check, transport, seconds, transport.get_write_buffer_size()
            )

    def stop(self) -> None:
        """All that waits was taken, or will be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, transport: asyncio.Transport, seconds: float, before_bytes: int) -> None:
        self._timer = None
        if transport.get_write_buffer_size() < before_bytes:
            self.begin(transport, seconds)
        else:
            transport.abort()
