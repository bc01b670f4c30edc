"""Where in its organization something is, in PostgreSQL: the port `Places`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.checkpoints import PostgresCheckpoints
from metaqore_ai_gateway.adapters.psmp.conflict_reads import PostgresConflicts
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.places import Place
from metaqore_ai_gateway.service.psmp.points import Checkpoint
from metaqore_ai_gateway.service.psmp.reading_ports import FoundConflict

# `between`: for a planner without statistics, see docs/adr/0013.
PLACE: Final = """
select project, aggregate from psmp_aggregates where organization = $1 and id between $3 and $3 and kind = $2
order by id limit 1
"""
_REMEMBERED: Final = 16_384


@dataclass(frozen=True, slots=True)
class PostgresPlaces:
    """The port `Places` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]
    _found: dict[tuple[str, Kind, str], Place] = field(default_factory=dict)

    async def place(self, organization: str, kind: Kind, id_: str) -> Place | None:
        """Where the artifact, task or project with this id is. Once found it is remembered: it never moves."""
        asked = (organization, kind, id_)
        if asked in self._found:
            return self._found[asked]
        async with of_organization(self.pool, organization) as connection:
            row = await connection.fetchrow(PLACE, organization, kind.value, id_)
        if row is None:
            return None
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        place = self._found[asked] = Place(row["project"], Ref(kind, row["aggregate"]))
        return place

    async def conflict_in(self, organization: str, conflict: str, of: Place, number: int) -> FoundConflict | None:
        """The conflict that this version stands in, or stood in last."""
        return await PostgresConflicts(self.pool).of_version(organization, conflict, of.project, of.ref.id, number)

    async def checkpoint_at(self, organization: str, checkpoint: str) -> tuple[str, Checkpoint] | None:
        """The project of a checkpoint, and the checkpoint."""
        return await PostgresCheckpoints(self.pool).find(organization, checkpoint)
