"""What is kept for a day only: answers to repeats, and texts that no version came to name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.tenancy import become_relay
from metaqore_mesh.database.pool import transaction

_BATCH: Final = 5_000
# The role sees and deletes nothing younger: see the policies. Here the condition is for the index.
_OLD_ANSWERS: Final = """
select max(created_at) from (
    select created_at from psmp_commands where created_at < now() - interval '24 hours' order by created_at limit $1
) as oldest
"""
_FORGET_ANSWERS: Final = "delete from psmp_commands where created_at <= $1"
_OLD_BODIES: Final = """
select max(kept_at) from (
    select kept_at from psmp_bodies where not is_used and kept_at < now() - interval '24 hours'
    order by kept_at limit $1
) as oldest
"""
_FORGET_BODIES: Final = "delete from psmp_bodies where not is_used and kept_at <= $1"


@dataclass(frozen=True, slots=True)
class ForgetOld:
    """Deletes what is older than 24 hours, of every organization; the objects of texts go with the orphans."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def answers(self) -> int:
        """Forget the first answers of commands; gives how many."""
        return await self._forget(_OLD_ANSWERS, _FORGET_ANSWERS)

    async def unused_bodies(self) -> int:
        """Forget the texts that no version names; gives how many."""
        return await self._forget(_OLD_BODIES, _FORGET_BODIES)

    async def _forget(self, oldest: str, delete: str) -> int:
        """Some at a time, so that no statement takes long whatever has gathered."""
        forgotten = 0
        while True:
            async with transaction(self.pool) as connection:
                await become_relay(connection)
                until = await connection.fetchval(oldest, _BATCH)
                if until is None:
                    return forgotten
                forgotten += int((await connection.execute(delete, until)).rpartition(" ")[2])
