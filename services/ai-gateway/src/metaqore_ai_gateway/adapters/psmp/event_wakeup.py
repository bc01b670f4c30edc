"""A connection of its own that is told when events are committed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.tenancy import become_relay
from metaqore_mesh.database.pool import CONNECT_TIMEOUT_S, LOCK_TIMEOUT_S, STATEMENT_TIMEOUT_S, server_settings

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

CHANNEL: Final = "psmp_events"


class Wakeup:
    """Whether anything was committed since it was reset."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was."""
        self._woken.set()

    def reset(self) -> None:
        """Whatever came so far is known."""
        self._woken.clear()

    async def wait(self, seconds: float) -> None:
        """Return once something was committed, and after `seconds` at the latest."""
        # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the event (bpo-37658).
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


@asynccontextmanager
async def listening(url: str, name: str) -> AsyncIterator[tuple[Connection, Wakeup]]:
    """A connection whose locks and notifications end together, whatever state the link is in."""
    settings = server_settings(name, STATEMENT_TIMEOUT_S, LOCK_TIMEOUT_S)
    connection = await asyncpg.connect(
        url, timeout=CONNECT_TIMEOUT_S, command_timeout=STATEMENT_TIMEOUT_S, server_settings=settings
    )
    wakeup = Wakeup()
    try:
        await connection.add_listener(CHANNEL, lambda *_: wakeup.wake())
        yield connection, wakeup
    finally:
        connection.terminate()


@asynccontextmanager
async def seeing_all(connection: Connection) -> AsyncIterator[None]:
    """A transaction that sees the events of all organizations."""
    async with connection.transaction():
        await become_relay(connection)
        yield
