"""Where reading the audit topic may go on, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from metaqore_compliance_auditor.service.places import Place
from metaqore_mesh.database.errors import database_errors

_READ: Final = "select topic, partition, next_offset from intake_places"
_KEEP: Final = """
insert into intake_places (topic, partition, next_offset)
select * from unnest($1::text[], $2::integer[], $3::bigint[])
on conflict (topic, partition) do update set next_offset = excluded.next_offset
"""


@dataclass(frozen=True, slots=True)
class PostgresPlaces:
    """The port `Places`."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def read(self) -> Mapping[Place, int]:
        """See the port."""
        with database_errors():
            rows = await self.pool.fetch(_READ)
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def keep(self, offsets: Mapping[Place, int]) -> None:
        """See the port."""
        topics, partitions = zip(*offsets, strict=True)
        with database_errors():
            await self.pool.execute(_KEEP, topics, partitions, list(offsets.values()))
