"""The ends that time has brought, in PostgreSQL: the port `DueItems`, under a role that sees no state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.tenancy import become_relay
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.due import Due
from metaqore_mesh.database.pool import transaction

_TO_LAPSE: Final = """
select organization, project, artifact, number, expires_us from psmp_versions
where phase in ('proposed', 'blocked') and expires_us is not null and expires_us <= $1
order by expires_us limit $2
"""
_LEASES: Final = """
select organization, project, aggregate, lease_until_us from psmp_aggregates
where lease_until_us is not null and lease_until_us <= $1 and kind = 'task'
order by lease_until_us limit $2
"""


@dataclass(frozen=True, slots=True)
class PostgresDueItems:
    """The port `DueItems` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def due(self, now_us: int, limit: int = 100) -> Sequence[Due]:
        """What was over at `now_us`."""
        async with transaction(self.pool) as connection:
            await become_relay(connection)
            lapsing = await connection.fetch(_TO_LAPSE, now_us, limit)
            leases = await connection.fetch(_LEASES, now_us, limit)
        found = [
            Due(
                row["organization"],
                row["project"],
                Ref(Kind.ARTIFACT, row["artifact"]),
                row["number"],
                "lapse",
                row["expires_us"],
            )
            for row in lapsing
        ]
        for row in leases:
            ref = Ref(Kind.TASK, row["aggregate"])
            found.append(Due(row["organization"], row["project"], ref, None, "lease", row["lease_until_us"]))
        return sorted(found, key=lambda one: (one.at_us, one.organization, one.project, one.of))
