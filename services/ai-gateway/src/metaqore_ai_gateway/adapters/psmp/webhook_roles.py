"""The part that PSMP's roles have in webhooks."""

from __future__ import annotations

import asyncpg

from metaqore_mesh.database.errors import database_errors

_PREPARE = "call psmp_prepare_webhook_roles()"


async def prepare_webhook_roles(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Let both roles work on webhooks. Call it once `prepare_roles` has succeeded."""
    with database_errors():
        await pool.execute(_PREPARE)
