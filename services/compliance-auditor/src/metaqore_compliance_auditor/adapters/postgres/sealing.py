"""The sealing side of the log store: one advisory lock, and one transaction for each seal."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import asyncpg
import structlog

from metaqore_compliance_auditor.adapters.postgres import rows
from metaqore_compliance_auditor.domain.admission import WriterPosition
from metaqore_compliance_auditor.domain.protocol import TaskKey, TaskTrail
from metaqore_compliance_auditor.domain.seals import Head, LogSeal, SealedCheckpoint
from metaqore_compliance_auditor.service.ports import HeadMovedError, StoreUnavailableError, Tenure
from metaqore_mesh.database.pool import CONNECT_TIMEOUT_S, LOCK_TIMEOUT_S, STATEMENT_TIMEOUT_S, server_settings

SEALED_CHANNEL: Final = "metaqore_auditor_sealed"
_LOCK_KEY: Final = 0x4D51_5345_414C  # "MQSEAL"
_COMMAND_TIMEOUT_S: Final = 30.0
_UNAVAILABLE: Final = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError, TimeoutError)

_CLOSE_TIMEOUT_S: Final = 2.0
_TRAILS: Final = """
    SELECT e.organization, e.task,
        (array_agg(e.leaf_hash ORDER BY e.leaf_index) FILTER (WHERE e.kind = 'decision'))[1] AS decision,
        (array_agg(e.writer ORDER BY e.leaf_index) FILTER (WHERE e.kind = 'decision'))[1] AS writer,
        (array_agg(e.receipt ORDER BY e.leaf_index) FILTER (WHERE e.kind = 'decision'))[1] AS receipt,
        bool_or(e.kind = 'outcome') AS ended
    FROM unnest($1::text[], $2::uuid[]) AS wanted(organization, task)
    JOIN entries e ON e.organization = wanted.organization AND e.task = wanted.task
    GROUP BY e.organization, e.task
"""

log = structlog.get_logger(__name__)


class PostgresSealStore:
    """`SealStore` in PostgreSQL.

    The lock belongs to the session that also runs the seals, so who has lost the one cannot do the other. Between
    auditor and server there must be no pooler that shares sessions (PgBouncer: `pool_mode = session`).
    """

    def __init__(self, url: str, *, poll_s: float = 0.5) -> None:
        self._url = url
        self._poll_s = poll_s

    @asynccontextmanager
    async def tenure(self) -> AsyncIterator[Tenure]:
        """See `SealStore.tenure`. Raises `StoreUnavailableError` where the server cannot be reached."""
        async with self._connected() as sealing:
            with _store_errors():
                await self._lock(sealing)
            async with self._connected() as looking:
                yield PostgresTenure(sealing, looking)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        settings = server_settings("auditor-sealer", STATEMENT_TIMEOUT_S, LOCK_TIMEOUT_S)
        settings["synchronous_commit"] = "on"  # whatever the server's default: a seal must survive its crash
        with _store_errors():
            connection = await asyncpg.connect(
                self._url, timeout=CONNECT_TIMEOUT_S, command_timeout=_COMMAND_TIMEOUT_S, server_settings=settings
            )
        try:
            yield connection
        finally:
            try:
                await connection.close(timeout=_CLOSE_TIMEOUT_S)
            except _UNAVAILABLE:
                connection.terminate()

    async def _lock(self, connection: asyncpg.Connection) -> None:
        waiting = False
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
            if not waiting:
                log.info("tenure.awaited")
            waiting = True
            await asyncio.sleep(self._poll_s)


class PostgresTenure:
    """`Tenure` over the session that holds the lock, with a second session for lookups beside a running seal."""

    def __init__(self, sealing: asyncpg.Connection, looking: asyncpg.Connection) -> None:
        self._sealing = sealing
        self._looking = looking
        self._turn = asyncio.Lock()
        self._over = asyncio.Event()
        for connection in (sealing, looking):
            connection.add_termination_listener(lambda _: self._over.set())

    async def lost(self) -> None:
        """See `Tenure.lost`."""
        await self._over.wait()

    async def positions(self) -> dict[str, WriterPosition]:
        """See `Tenure.positions`."""
        organizations: dict[str, dict[str, int]] = defaultdict(dict)
        last: dict[str, int] = defaultdict(int)
        async with self._looks():
            found = await self._looking.fetch(
                "SELECT writer, organization, sequence, organization_sequence FROM writer_progress"
            )
        for row in found:
            organizations[row["writer"]][row["organization"]] = row["organization_sequence"]
            last[row["writer"]] = max(last[row["writer"]], row["sequence"])
        return {writer: WriterPosition(last[writer], numbers) for writer, numbers in organizations.items()}

    @asynccontextmanager
    async def _looks(self) -> AsyncIterator[None]:
        """A turn on the session for lookups."""
        async with self._turn:
            with _store_errors():
                yield

    async def leaf_hashes(self, writer: str, sequences: range) -> dict[int, bytes]:
        """See `Tenure.leaf_hashes`."""
        async with self._looks():
            found = await self._looking.fetch(
                "SELECT sequence, leaf_hash FROM entries WHERE writer = $1 AND sequence BETWEEN $2 AND $3",
                writer,
                sequences.start,
                sequences.stop - 1,
            )
        return {row["sequence"]: row["leaf_hash"] for row in found}

    async def trails(self, tasks: Iterable[TaskKey]) -> dict[TaskKey, TaskTrail]:
        """See `Tenure.trails`."""
        keys = list(tasks)
        async with self._looks():
            found = await self._looking.fetch(
                _TRAILS, [organization for organization, _ in keys], [task for _, task in keys]
            )
        return {
            (row["organization"], str(row["task"])): TaskTrail(
                decision=row["decision"].hex() if row["decision"] is not None else None,
                writer=row["writer"],
                receipt=str(row["receipt"]) if row["receipt"] is not None else None,
                ended=row["ended"],
            )
            for row in found
        }

    async def commit(self, seals: Sequence[LogSeal]) -> None:
        """See `Tenure.commit`. Synchronous commit: it returns once the write-ahead log is on disk."""
        with _store_errors():
            async with self._sealing.transaction():
                await self._swap_heads(seals)
                await self._sealing.copy_records_to_table(
                    "entries", columns=rows.ENTRY_COLUMNS, records=rows.entries(seals)
                )
                await self._sealing.executemany(rows.INSERT_ATTESTATION, rows.attestations(seals))
                await self._sealing.executemany(rows.UPSERT_TILE, rows.tiles(seals))
                await self._sealing.executemany(rows.UPSERT_PROGRESS, rows.progress(seals))
                await self._sealing.executemany(rows.INSERT_CHECKPOINT, rows.checkpoints(seals))
                await self._sealing.executemany(rows.INSERT_FAULT, rows.faults(rows.faults_of(seals)))
                for seal in seals:
                    await self._sealing.execute("SELECT pg_notify($1, $2)", SEALED_CHANNEL, seal.organization)

    async def _swap_heads(self, seals: Sequence[LogSeal]) -> None:
        """Heads first, in one order, so that two sealers that race meet here and not in a deadlock."""
        for seal in sorted(seals, key=lambda each: each.organization):
            swapped = await self._sealing.execute(*_swap(seal.organization, seal.before, seal.checkpoint.head))
            if not swapped.endswith(" 1"):
                raise HeadMovedError(f"The log of {seal.organization} is no longer at size {seal.before.size}.")

    async def unpublished(self, limit: int) -> list[SealedCheckpoint]:
        """See `Tenure.unpublished`."""
        async with self._looks():
            found = await self._looking.fetch(
                """
                SELECT c.* FROM logs l JOIN checkpoints c USING (organization)
                WHERE l.published_size < l.size AND c.size > l.published_size ORDER BY c.organization, c.size LIMIT $1
                """,
                limit,
            )
        return [rows.checkpoint_from(row) for row in found]

    async def mark_published(self, sizes: Mapping[str, int]) -> None:
        """See `Tenure.mark_published`."""
        async with self._looks():
            await self._looking.executemany(
                "UPDATE logs SET published_size = $2 WHERE organization = $1 AND published_size < $2",
                list(sizes.items()),
            )


def _swap(organization: str, before: Head, after: Head) -> tuple[str, *tuple[object, ...]]:
    if before.size == 0:
        insert = "INSERT INTO logs (organization, size, root) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
        return insert, organization, after.size, after.root
    update = "UPDATE logs SET size = $2, root = $3 WHERE organization = $1 AND size = $4 AND root = $5"
    return update, organization, after.size, after.root, before.size, before.root


@contextmanager
def _store_errors() -> Iterator[None]:
    """What PostgreSQL or the link to it says, as the port says it."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise HeadMovedError(f"Another auditor has sealed some of these records: {error}.") from error
    except (*_UNAVAILABLE, asyncpg.PostgresError) as error:
        raise StoreUnavailableError(f"The database of the logs failed: {error}.") from error
