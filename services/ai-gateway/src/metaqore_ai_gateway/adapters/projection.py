"""The projection of audit records into the table of tasks, off the path of requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.projection_sql import FOLD
from metaqore_mesh.spool.groups import StoredGroup

PROJECTED: Final = "projected"
"""The holder that keeps the spool's groups until they are folded."""


@dataclass(frozen=True, slots=True)
class TaskProjection:
    """Folds groups into the table; rows and position commit together, so a group is folded once."""

    pool: asyncpg.Pool[asyncpg.Record]
    writer: str

    async def __call__(self, groups: Sequence[StoredGroup]) -> None:
        """Fold groups, one statement for all."""
        values = [group.value.decode() for group in groups]
        await self.pool.execute(FOLD, self.writer, PROJECTED, groups[-1].last_sequence, values)
