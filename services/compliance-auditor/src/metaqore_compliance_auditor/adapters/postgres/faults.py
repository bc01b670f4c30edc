"""The book of faults in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from metaqore_compliance_auditor.adapters.postgres import rows
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_mesh.database.errors import database_errors
from metaqore_mesh.database.pool import transaction


class PostgresFaultBook:
    """`FaultBook` in PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def record(self, faults: Sequence[Fault]) -> int:
        """See `FaultBook.record`."""
        if not faults:
            return 0
        async with transaction(self._pool) as connection:
            before: int = await connection.fetchval("SELECT count(*) FROM faults")
            await connection.executemany(rows.INSERT_FAULT, rows.faults(faults))
            after: int = await connection.fetchval("SELECT count(*) FROM faults")
        return after - before

    async def count(self) -> int:
        """See `FaultBook.count`."""
        with database_errors():
            count: int = await self._pool.fetchval("SELECT count(*) FROM faults")
        return count
