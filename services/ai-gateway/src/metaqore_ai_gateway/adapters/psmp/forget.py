"""What is kept for a day only: answers to repeats, and texts that no version came to name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.tenancy import become_relay
from metaqore_mesh.database.pool import transaction

_BATCH: Final = 5_000
# The role sees and deletes nothing younger: see the policies. The last condition is for the index.
_ANSWERS: Final = """
delete from psmp_commands where (organization, project, key) in (
    select organization, project, key from psmp_commands
    where created_at < now() - interval '24 hours' order by created_at limit $1
)
"""
_BODIES: Final = """
delete from psmp_bodies where not is_used and (organization, digest) in (
    select organization, digest from psmp_bodies
    where not is_used and kept_at < now() - interval '24 hours' order by kept_at limit $1
)
"""


@dataclass(frozen=True, slots=True)
class ForgetOld:
    """Deletes what is older than 24 hours, of every organization; the objects of texts go with the orphans."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def answers(self) -> int:
        """Forget the first answers of commands; gives how many."""
        return await self._forget(_ANSWERS)

    async def unused_bodies(self) -> int:
        """Forget the texts that no version names; gives how many."""
        return await self._forget(_BODIES)

    async def _forget(self, statement: str) -> int:
        forgotten = 0
        while True:
            async with transaction(self.pool) as connection:
                await become_relay(connection)
                done = await connection.execute(statement, _BATCH)
            count = int(done.rpartition(" ")[2])
            forgotten += count
            if count < _BATCH:
                return forgotten
