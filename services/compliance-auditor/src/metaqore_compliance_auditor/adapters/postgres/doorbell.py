"""How readers learn that a log has grown, whichever process has sealed it: PostgreSQL's NOTIFY."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import structlog

from metaqore_compliance_auditor.adapters.postgres.sealing import SEALED_CHANNEL
from metaqore_mesh.database.pool import CONNECT_TIMEOUT_S

_RETRY_S: Final = 1.0

log = structlog.get_logger(__name__)


class Doorbell:
    """Rings for an organization whose log has grown, and every `poll_s` for what NOTIFY may have missed."""

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
                    async with asyncio.timeout(self._poll_s):
                        await event.wait()
                event.clear()
                yield None

        try:
            yield rings()
        finally:
            waiting = self._waiting[organization]
            waiting.discard(event)
            if not waiting:
                del self._waiting[organization]

    async def follow(self, url: str) -> None:
        """Ring for what the database notifies of, until cancelled; without a connection only the poll is left."""
        while True:
            try:
                await self._follow(url)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("doorbell.lost", error=type(error).__name__)
            await asyncio.sleep(_RETRY_S)

    async def _follow(self, url: str) -> None:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(SEALED_CHANNEL, lambda *notice: self.ring(str(notice[3])))
            await lost.wait()
        finally:
            connection.terminate()
