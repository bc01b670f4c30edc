"""The event table as an outbox: each consumer is given every event of every organization, in order, at least once.

A consumer's place is a transaction and a position in it. An event is given only once every transaction up to its own
has ended (its id lies below `pg_snapshot_xmin`): nothing can then appear before it. Within a project that is the order
of versions, because a project's next events are refused from a transaction that is not later than its last (see
`project_writes`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from metaqore_ai_gateway.adapters.psmp.event_wakeup import listening, seeing_all
from metaqore_ai_gateway.adapters.psmp.held_back import HeldBack
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.relayed import Relayed
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.database.errors import database_errors

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_RETRY_S: Final = 1.0
_GATED_S: Final = 0.05
_GATHER_S: Final = 0.1
"""The first event is given at once, and what is committed within this time behind it together."""
_log = structlog.get_logger()

_GIVEN: Final = Counter("metaqore_psmp_relayed_events_total", "Events that a consumer has taken.", ["consumer"])
_LAG: Final = Gauge(
    "metaqore_psmp_relay_lag_seconds",
    "Age of the first event that a consumer has not taken, at this process's last look, whichever process works.",
    ["consumer"],
)

_LOCK: Final = "select pg_try_advisory_lock(hashtextextended('psmp_relay:' || $1, 0))"
_PLACE: Final = "select transaction_id::text, position from psmp_relay_positions where consumer = $1"
LARGEST_BATCH_BYTES: Final = 8 * 1024 * 1024
"""Of the bodies that are read at once; one event alone may have more."""

NEXT: Final = """
select * from (
    select organization, project, version, kind, aggregate, aggregate_version, type, schema, body, command, recorded_us,
        transaction_id::text, position,
        (extract(epoch from clock_timestamp()) * 1000000)::bigint - recorded_us as age_us,
        sum(octet_length(body)) over (order by e.transaction_id, e.position) - octet_length(body) as before_bytes
    from psmp_events as e
    where (e.transaction_id, e.position) > ($1::text::xid8, $2::bigint)
        and e.transaction_id < pg_snapshot_xmin(pg_current_snapshot())
    order by e.transaction_id, e.position limit $3
) as found where before_bytes < $4
"""
"""The events behind a place, in order: at most so many, and of so many bytes."""

# In order, or else the planner, who expects a third of all events behind any place, reads the whole table to find one,
# and nearly always none is there.
WAITING: Final = """
select (extract(epoch from clock_timestamp()) * 1000000)::bigint - recorded_us as age_us,
    pg_snapshot_xmin(pg_current_snapshot())::text as oldest, transaction_id::text,
    transaction_id < pg_snapshot_xmin(pg_current_snapshot()) as is_free
from psmp_events where (transaction_id, position) > ($1::text::xid8, $2::bigint)
order by transaction_id, position limit 1
"""
"""The first event behind a place, whether it may be given (`is_free`), and the oldest transaction that is open."""
_TAKEN: Final = """
insert into psmp_relay_positions (consumer, transaction_id, position) values ($1, $2::text::xid8, $3)
on conflict (consumer) do update set transaction_id = excluded.transaction_id, position = excluded.position
"""
_RESTORED: Final = """
select exists(select from psmp_events where transaction_id >= pg_snapshot_xmax(pg_current_snapshot()))
"""


@dataclass(frozen=True, slots=True)
class EventRelay:
    """Gives events to `give` until cancelled, for the consumer of this name. Run one in each process.

    The one that holds the consumer's lock works; another takes over when its connection ends. `give` returns once the
    events are taken for good, and raises where they are not: then they come again, in their order.
    """

    url: str
    consumer: str
    give: Callable[[Sequence[Relayed]], Awaitable[None]]
    name: str
    batch: int = 500
    interval_s: float = 1.0

    async def run(self) -> None:
        """Relay for ever; errors of the database and the consumer are logged and outlived."""
        while True:
            try:
                await self._lead()
            except MetaQoreError as error:
                _log.warning("psmp.relay_failed", consumer=self.consumer, code=error.code, message=error.message)
            except Exception:  # noqa: BLE001 - a relay that ends silently would hold every event back
                _log.exception("psmp.relay_failed", consumer=self.consumer)
            await asyncio.sleep(_RETRY_S)

    async def _lead(self) -> None:
        with database_errors():
            async with listening(self.url, f"{self.name}-psmp-relay") as (connection, wakeup):
                await self._turn(connection)
                place, held_back = await self._place(connection), HeldBack(self.consumer)
                while True:
                    wakeup.reset()
                    place, waiting = await self._empty(connection, place)
                    held_back.look(None if waiting is None else waiting["oldest"])
                    await wakeup.wait(self.interval_s if waiting is None else _GATED_S)

    async def _turn(self, connection: Connection) -> None:
        """Return with the lock. While another process has it: one that hangs tells nobody, so this one does."""
        hangs = HeldBack(self.consumer, "psmp.relay_stalled")
        while not await connection.fetchval(_LOCK, self.consumer):
            place = await self._place(connection)
            async with seeing_all(connection):
                waiting = await connection.fetchrow(WAITING, *place)
            self._behind(waiting)
            hangs.look(waiting["transaction_id"] if waiting is not None and waiting["is_free"] else None)
            await asyncio.sleep(self.interval_s)

    def _behind(self, first: asyncpg.Record | None) -> None:
        _LAG.labels(self.consumer).set(0 if first is None else max(first["age_us"], 0) / 1e6)

    async def _place(self, connection: Connection) -> tuple[str, int]:
        async with seeing_all(connection):
            if await connection.fetchval(_RESTORED):
                raise MetaQoreError(
                    "psmp_events_restored",
                    "The events were restored from another server, and their order is that server's. Renumber them as "
                    "the note on the event store tells, then start again.",
                    kind=ErrorKind.INTERNAL,
                )
            row = await connection.fetchrow(_PLACE, self.consumer)
        return ("0", 0) if row is None else (row["transaction_id"], row["position"])

    async def _empty(
        self, connection: Connection, place: tuple[str, int]
    ) -> tuple[tuple[str, int], asyncpg.Record | None]:
        """Give all that may be given; what then still waits for a transaction to end."""
        taken = 0
        while True:
            async with seeing_all(connection):
                if taken:
                    await connection.execute(_TAKEN, self.consumer, *place)
                rows = await connection.fetch(NEXT, *place, self.batch, LARGEST_BATCH_BYTES)
                waiting = None if rows else await connection.fetchrow(WAITING, *place)
            _GIVEN.labels(self.consumer).inc(taken)
            self._behind(rows[0] if rows else waiting)
            if not rows:
                return place, waiting
            await self.give([relayed(row) for row in rows])
            place, taken = (rows[-1]["transaction_id"], rows[-1]["position"]), len(rows)
            if len(rows) < self.batch:
                await asyncio.sleep(_GATHER_S)


def relayed(row: asyncpg.Record) -> Relayed:
    """The event of a row."""
    return Relayed(
        row["organization"],
        row["project"],
        row["version"],
        Ref(Kind(row["kind"]), row["aggregate"]),
        row["aggregate_version"],
        row["type"],
        row["schema"],
        row["body"],
        row["command"],
        row["recorded_us"],
    )
