"""The keys in force, as one immutable snapshot that follows the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import asyncpg
import structlog

from metaqore_ai_gateway.service.keys import SECRET_PREFIX, digest_of
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_mesh.database.errors import database_errors

CHANNEL: Final = "api_keys"
_LOAD = "select digest, id, organization, caller, scopes from api_keys where revoked_at is null"
_VERSION = "select version from api_key_changes"
_QUERY_TIMEOUT_S: Final = 5.0
STALE_S: Final = 10.0
"""From here on the snapshot is told to be old. It is read again every second, and waits for an answer for five."""

_log = structlog.get_logger()


class SnapshotKeyRing:
    """The port `Keys`: answers from memory; `run` keeps it fresh.

    A notification brings a change at once. For one that was missed the count of changes is read every `poll_s`
    seconds, so a revocation is in force within about that time. While the database is away the last snapshot stands.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], *, poll_s: float = 1.0) -> None:
        self._pool = pool
        self._poll_s = poll_s
        self._callers: Mapping[bytes, Caller] = MappingProxyType({})
        self._version = -1
        self._changed = asyncio.Event()
        self._fresh = time.monotonic()
        self._lost: str | None = None

    @property
    def age_s(self) -> float:
        """How long ago the snapshot was last held to the database, in seconds."""
        return time.monotonic() - self._fresh

    def stale(self) -> str | None:
        """Why the snapshot may be behind, None where it is not: a notice."""
        if self.age_s <= STALE_S:
            return None
        return f"last read {self.age_s:.0f} s ago: a key made or revoked since then is not noticed"

    def unreachable(self) -> str | None:
        """Why the database, which is asked every moment here, cannot be: a notice."""
        if self._lost is None and self.age_s > STALE_S:
            return f"no answer for {self.age_s:.0f} s"
        return self._lost

    def find(self, secret: str) -> Caller | None:
        """The caller whose key `secret` is, or None."""
        return self._callers.get(digest_of(secret)) if secret.startswith(SECRET_PREFIX) else None

    async def refresh(self) -> None:
        """Take a new snapshot if a key changed since the last one."""
        async with self._pool.acquire(timeout=_QUERY_TIMEOUT_S) as connection:
            # The version is read first: a change between the two reads is loaded again, never missed.
            version = await connection.fetchval(_VERSION, timeout=_QUERY_TIMEOUT_S)
            if version == self._version:
                self._is_fresh()
                return
            rows = await connection.fetch(_LOAD, timeout=_QUERY_TIMEOUT_S)
        self._callers = MappingProxyType(
            {
                row["digest"]: Caller(row["id"], row["organization"], row["caller"], frozenset(row["scopes"]))
                for row in rows
            }
        )
        self._version = version
        self._is_fresh()

    async def run(self) -> None:
        """Follow the database until cancelled."""
        connected = True
        while True:
            try:
                with database_errors():
                    await self._follow()
            except (MetaQoreError, asyncpg.PostgresError) as error:
                if connected:
                    _log.warning("api_keys.refresh_failed", error=type(error.__cause__ or error).__name__)
                connected = False
                self._lost = f"cannot be reached ({type(error.__cause__ or error).__name__})"
                await asyncio.sleep(self._poll_s)
            else:
                connected = True

    async def _follow(self) -> None:
        """Listen on one connection until it breaks."""
        async with self._pool.acquire(timeout=_QUERY_TIMEOUT_S) as listening:
            await listening.add_listener(CHANNEL, self._notified)
            try:
                while not listening.is_closed():
                    self._changed.clear()
                    await self.refresh()
                    await self._change_or_poll()
            finally:
                listening.terminate()  # and the listener with it: the database may not answer

    async def _change_or_poll(self) -> None:
        try:
            async with asyncio.timeout(self._poll_s):
                await self._changed.wait()
        except TimeoutError:
            return

    def _is_fresh(self) -> None:
        self._fresh, self._lost = time.monotonic(), None

    def _notified(self, *_: object) -> None:
        self._changed.set()
