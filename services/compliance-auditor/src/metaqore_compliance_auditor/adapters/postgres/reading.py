"""The reading side of the log store; any number of auditors may use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import asyncpg

from metaqore_compliance_auditor.adapters.postgres import rows
from metaqore_compliance_auditor.adapters.postgres.doorbell import Doorbell
from metaqore_compliance_auditor.domain.edge import Tiles, split_hashes
from metaqore_compliance_auditor.domain.seals import Head, SealedCheckpoint
from metaqore_compliance_auditor.domain.stored import GroupKey, StoredAttestation, StoredEntry
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.tiles import Tile
from metaqore_mesh.database.errors import database_errors

_ENTRY: Final = f"SELECT {', '.join(rows.ENTRY_COLUMNS[1:])} FROM entries WHERE organization = $1"  # noqa: S608 - fixed

_MAX_GAPS: Final = 20


class PostgresLogReader:
    """`LogReader` over a pool of connections; `doorbell` tells of seals."""

    def __init__(self, pool: asyncpg.Pool, doorbell: Doorbell) -> None:
        self._pool = pool
        self._doorbell = doorbell

    async def organizations(self) -> list[str]:
        """See `LogReader.organizations`. Every table is asked: a log whose head was deleted must still be looked at."""
        found = await self._fetch(
            "SELECT organization FROM logs UNION SELECT DISTINCT organization FROM writer_progress "
            "UNION SELECT DISTINCT organization FROM tiles ORDER BY 1"
        )
        return [row["organization"] for row in found]

    async def head(self, organization: str) -> Head | None:
        """See `LogReader.head`."""
        row = await self._first("SELECT size, root FROM logs WHERE organization = $1", organization)
        return Head(row["size"], row["root"]) if row else None

    async def newest_checkpoint(self, organization: str, at_most: int | None = None) -> SealedCheckpoint | None:
        """See `LogReader.newest_checkpoint`."""
        row = await self._first(
            "SELECT * FROM checkpoints WHERE organization = $1 AND ($2::bigint IS NULL OR size <= $2) "
            "ORDER BY size DESC LIMIT 1",
            organization,
            at_most,
        )
        return rows.checkpoint_from(row) if row else None

    async def checkpoints(self, organization: str, after: int, limit: int) -> list[SealedCheckpoint]:
        """See `LogReader.checkpoints`."""
        found = await self._fetch(
            "SELECT * FROM checkpoints WHERE organization = $1 AND size > $2 ORDER BY size LIMIT $3",
            organization,
            after,
            limit,
        )
        return [rows.checkpoint_from(row) for row in found]

    async def tiles(self, organization: str, wanted: Iterable[Tile]) -> Tiles:
        """See `LogReader.tiles`."""
        tiles = list(wanted)
        found = await self._fetch(
            """
            SELECT t.level, t.tile_number, t.hashes FROM unnest($2::smallint[], $3::bigint[]) AS wanted(level, number)
            JOIN tiles t ON t.organization = $1 AND t.level = wanted.level AND t.tile_number = wanted.number
            """,
            organization,
            [tile.level for tile in tiles],
            [tile.number for tile in tiles],
        )
        return {Tile(row["level"], row["tile_number"]): split_hashes(row["hashes"]) for row in found}

    async def tile_count(self, organization: str) -> int:
        """See `LogReader.tile_count`."""
        return await self._value("SELECT count(*) FROM tiles WHERE organization = $1", organization)

    async def entries(self, organization: str, start: int, limit: int) -> list[StoredEntry]:
        """See `LogReader.entries`."""
        query = f"{_ENTRY} AND leaf_index >= $2 ORDER BY leaf_index LIMIT $3"
        return [rows.entry_from(row) for row in await self._fetch(query, organization, start, limit)]

    async def entries_of_receipt(self, organization: str, receipt: str) -> list[StoredEntry]:
        """See `LogReader.entries_of_receipt`."""
        query = f"{_ENTRY} AND receipt = $2 ORDER BY leaf_index LIMIT 16"
        return [rows.entry_from(row) for row in await self._fetch(query, organization, UUID(receipt))]

    async def entries_of_task(self, organization: str, task: str) -> list[StoredEntry]:
        """See `LogReader.entries_of_task`."""
        query = f"{_ENTRY} AND task = $2 ORDER BY leaf_index LIMIT 16"
        return [rows.entry_from(row) for row in await self._fetch(query, organization, UUID(task))]

    async def entries_of_tasks(self, organization: str, tasks: Iterable[str]) -> list[StoredEntry]:
        """See `LogReader.entries_of_tasks`."""
        query = f"{_ENTRY} AND task = ANY($2::uuid[]) ORDER BY leaf_index"
        return [rows.entry_from(row) for row in await self._fetch(query, organization, list(tasks))]

    async def attestations(self, organization: str, groups: Iterable[GroupKey]) -> dict[GroupKey, StoredAttestation]:
        """See `LogReader.attestations`."""
        wanted = list(groups)
        found = await self._fetch(
            """
            SELECT a.* FROM unnest($2::text[], $3::bigint[], $4::integer[]) AS wanted(writer, first, count)
            JOIN attestations a ON a.organization = $1 AND a.writer = wanted.writer
                AND a.first_sequence = wanted.first AND a.count = wanted.count
            """,
            organization,
            [writer for writer, _, _ in wanted],
            [first for _, first, _ in wanted],
            [count for _, _, count in wanted],
        )
        return {one.group: one for one in map(rows.attestation_from, found)}

    async def progress(self, organization: str) -> dict[str, tuple[int, int]]:
        """See `LogReader.progress`."""
        found = await self._fetch(
            "SELECT writer, sequence, organization_sequence FROM writer_progress WHERE organization = $1", organization
        )
        return {row["writer"]: (row["sequence"], row["organization_sequence"]) for row in found}

    async def sealed_sequence(self, writer: str) -> int:
        """See `LogReader.sealed_sequence`."""
        return await self._value("SELECT coalesce(max(sequence), 0) FROM writer_progress WHERE writer = $1", writer)

    async def writers(self) -> dict[str, int]:
        """See `LogReader.writers`."""
        found = await self._fetch("SELECT writer, max(sequence) AS sequence FROM writer_progress GROUP BY writer")
        return {row["writer"]: row["sequence"] for row in found}

    async def sequence_gaps(self, writer: str, sequences: range) -> list[range]:
        """See `LogReader.sequence_gaps`. Reads an index alone, and names gaps only where the count shows one."""
        first, last = sequences.start, sequences.stop - 1
        within = "FROM entries WHERE writer = $1 AND sequence BETWEEN $2 AND $3"
        if await self._value(f"SELECT count(*) {within}", writer, first, last) == len(sequences):
            return []
        found = await self._fetch(
            f"""
            SELECT before + 1 AS missing, sequence FROM (
                SELECT sequence, lag(sequence, 1, $2 - 1) OVER (ORDER BY sequence) AS before
                FROM (SELECT sequence {within} UNION ALL SELECT $3 + 1) AS here
            ) AS pairs WHERE sequence <> before + 1 ORDER BY sequence LIMIT {_MAX_GAPS}
            """,  # noqa: S608 - fixed
            writer,
            first,
            last,
        )
        return [range(row["missing"], row["sequence"]) for row in found]

    async def unready(self) -> str | None:
        """Why the database cannot be read now, None where it can: a readiness check."""
        try:
            await self._value("SELECT 1")
        except MetaQoreError as error:
            return error.message
        return None

    async def _fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        with database_errors():
            return await self._pool.fetch(query, *arguments)

    async def _first(self, query: str, *arguments: object) -> asyncpg.Record | None:
        with database_errors():
            return await self._pool.fetchrow(query, *arguments)

    async def _value(self, query: str, *arguments: object) -> int:
        with database_errors():
            value: int = await self._pool.fetchval(query, *arguments)
        return value

    @asynccontextmanager
    async def sealed(self, organization: str) -> AsyncIterator[AsyncIterator[None]]:
        """See `LogReader.sealed`."""
        async with self._doorbell.listen(organization) as rings:
            yield rings
