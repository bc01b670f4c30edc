"""The outbox's relay: publishes what transactions left there, in order and at least once, one relay at a time.

Why a row waits for older transactions: positions are given when a row is written, but rows appear when their
transactions commit. A reader that trusts positions would take 2, which has committed, and never see 1, which commits
later. So a row is taken only when every transaction up to its own has ended (its id lies below
`pg_snapshot_xmin`): nothing can then appear before what has been taken, as far as ids tell.

Why the order is by position and not by transaction id: a transaction gets its id with its first write, which may be
long before it waits for an aggregate's lock. Of two that touch one aggregate, the later one may have the lower id; its
position is always the higher one, because positions are given under the lock.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.database.errors import database_errors
from metaqore_mesh.database.outbox import CHANNEL
from metaqore_mesh.database.pool import CONNECT_TIMEOUT_S, LOCK_TIMEOUT_S, STATEMENT_TIMEOUT_S, server_settings

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_LOCK = 0x6D657461_72
_RETRY_S = 1.0
_GATED_S = 0.05

_log = structlog.get_logger()

_PUBLISHED = Counter("metaqore_outbox_published_messages_total", "Messages that the broker has acked.")
_FAILURES = Counter("metaqore_outbox_failures_total", "Passes of the relay that ended in an error.")
_LAG = Gauge("metaqore_outbox_lag_seconds", "Age of the first message that waits, at the relay's last look.")
_LEADING = Gauge("metaqore_outbox_leading", "1 where this process's relay is the one that publishes.")

# A row that is visible although its transaction lies in this server's future was restored from another server.
_NEXT = """
    SELECT position, topic, key, value, header_names, header_values
    FROM outbox
    WHERE transaction_id < pg_snapshot_xmin(pg_current_snapshot())
       OR transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
    ORDER BY position
    LIMIT $1
"""
_LAG_S = "SELECT extract(epoch FROM clock_timestamp() - created_at)::float8 FROM outbox ORDER BY position LIMIT 1"
_DONE = "DELETE FROM outbox WHERE position = ANY($1::bigint[])"

Headers = tuple[tuple[str, bytes | None], ...]


class Publish(Protocol):
    """Sends one message; `Publisher.publish` of `metaqore_mesh.kafka` is one.

    - Returns only once the broker has taken the message for good.
    - Raises where it has not, or where that is not known.
    """

    async def __call__(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, /) -> object:
        """Send it and wait for the ack."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxRelay:
    """Publishes the outbox of the database at `url` until cancelled. Run one in each process that appends.

    The one that holds the lock publishes; another takes over when that one's connection ends. It wakes when a
    transaction that appended commits, and looks by itself every `interval_s`. A message that was acked but not yet
    deleted when the process ended comes again.
    """

    url: str
    publish: Publish
    name: str
    batch: int = 500
    interval_s: float = 1.0

    async def run(self) -> None:
        """Relay for ever; errors of the database and the broker are logged and outlived."""
        while True:
            try:
                await self._lead()
            except MetaQoreError as error:
                _FAILURES.inc()
                _log.warning("outbox.relay_failed", code=error.code, message=error.message, retry_s=_RETRY_S)
            except Exception:  # noqa: BLE001 - a relay that ends silently would hold every event back
                _FAILURES.inc()
                _log.exception("outbox.relay_failed", retry_s=_RETRY_S)
            await asyncio.sleep(_RETRY_S)

    async def _lead(self) -> None:
        with database_errors():
            async with self._connected() as (connection, woken):
                while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110 - another process has it
                    await asyncio.sleep(self.interval_s)
                with _LEADING.track_inprogress():
                    while True:
                        woken.clear()
                        await self._wait(woken, await self._empty(connection))

    async def _empty(self, connection: Connection) -> float:
        """Publish all that may be published, and give the seconds to wait for more."""
        while rows := await connection.fetch(_NEXT, self.batch):
            await self._move(connection, rows)
        lag_s: float | None = await connection.fetchval(_LAG_S)
        _LAG.set(lag_s or 0)
        if lag_s is None:
            return self.interval_s
        # Rows wait for a transaction that has not ended; its end may come without a notification.
        return min(max(_GATED_S, lag_s / 10), self.interval_s)

    async def _move(self, connection: Connection, rows: list[asyncpg.Record]) -> None:
        """Publish `rows`, different keys side by side, and delete those that were acked. Raises `publish_failed`."""
        chains: dict[tuple[str, bytes | None], list[asyncpg.Record]] = {}
        for row in rows:
            chains.setdefault((row["topic"], row["key"]), []).append(row)
        acked: list[int] = []
        work = [self._chain(chain, acked) for chain in chains.values()]
        try:
            ends = await asyncio.gather(*work, return_exceptions=True)
        finally:  # also when cancelled: what was acked need not come again
            await connection.execute(_DONE, acked)
            _PUBLISHED.inc(len(acked))
        for end in ends:
            if end is not None:
                cause = end.code if isinstance(end, MetaQoreError) else type(end).__name__
                message = f"A message could not be published ({cause}); it is tried again, in its order."
                raise MetaQoreError("publish_failed", message, kind=ErrorKind.UNAVAILABLE, retryable=True) from end

    async def _chain(self, rows: Iterable[asyncpg.Record], acked: list[int]) -> None:
        for row in rows:
            headers = tuple(zip(row["header_names"], row["header_values"], strict=True))
            await self.publish(row["topic"], row["key"], row["value"], headers)
            acked.append(row["position"])

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[Connection, asyncio.Event]]:
        """A connection of its own: the lock, the notifications and the deletions end together."""
        settings = server_settings(f"{self.name}-outbox", STATEMENT_TIMEOUT_S, LOCK_TIMEOUT_S)
        connection = await asyncpg.connect(
            self.url, timeout=CONNECT_TIMEOUT_S, command_timeout=STATEMENT_TIMEOUT_S, server_settings=settings
        )
        woken = asyncio.Event()
        try:
            await connection.add_listener(CHANNEL, lambda *_: woken.set())
            yield connection, woken
        finally:
            connection.terminate()  # the lock is free at once, whatever state the link is in

    async def _wait(self, woken: asyncio.Event, seconds: float) -> None:
        # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the event (bpo-37658).
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await woken.wait()
