"""Which version was made from which, in PostgreSQL: the port `Provenance`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.catalog import known_in
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.reading_ports import Direction, Edge

_SOURCES: Final = """
select found.* from unnest($2::text[], $3::integer[]) as asked (made, number) cross join lateral (
    select p.made, p.number, p.source, p.source_number, p.relation from psmp_provenance as p
    where p.organization = $1 and p.made = asked.made and p.number = asked.number
    order by p.source, p.source_number, p.relation limit $4
) as found
order by made, number, source, source_number, relation limit $4
"""
_DERIVED: Final = """
select found.* from unnest($2::text[], $3::integer[]) as asked (source, number) cross join lateral (
    select p.made, p.number, p.source, p.source_number, p.relation from psmp_provenance as p
    where p.organization = $1 and p.source = asked.source and p.source_number = asked.number
    order by p.made, p.number, p.relation limit $4
) as found
order by source, source_number, made, number, relation limit $4
"""
# `between`: for a planner without statistics, see docs/adr/0013.
_ARTIFACTS: Final = """
select a.kind, a.aggregate, a.id, a.project, a.version, a.state, p.version as project_version
from unnest($2::text[]) as asked (id)
cross join lateral (
    select * from psmp_aggregates as a
    where a.organization = $1 and a.id between asked.id and asked.id and a.kind = 'artifact'
    order by a.id limit 1
) as a
join psmp_projects as p using (organization, project)
"""


@dataclass(frozen=True, slots=True)
class PostgresProvenance:
    """The port `Provenance` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def edges(
        self, organization: str, versions: Collection[tuple[str, int]], direction: Direction, size: int
    ) -> Sequence[Edge]:
        """One step on from these."""
        statement = _SOURCES if direction is Direction.SOURCES else _DERIVED
        ids, numbers = [one[0] for one in versions], [one[1] for one in versions]
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(statement, organization, ids, numbers, size)
        return [
            Edge(f"{row['made']}@{row['number']}", f"{row['source']}@{row['source_number']}", row["relation"])
            for row in rows
        ]

    async def artifacts(self, organization: str, ids: Collection[str]) -> dict[str, Known]:
        """Those of these that exist."""
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_ARTIFACTS, organization, list(ids))
        return {row["id"]: known_in(row) for row in rows}
