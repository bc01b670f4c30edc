"""Transactions that see one organization, and the relay's, which see all.

Names travel as parameters of `set_config`, never inside a statement, and hold until the transaction's end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from metaqore_mesh.database.pool import transaction

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

# These tables are read by key alone. A plan that was made while they were small must serve when they are large, and one
# that reads all of a small table does not.
_AS_APP = """
select set_config('role', left(current_database(), 48) || '_psmp', true),
       set_config('metaqore.organization', $1, true),
       set_config('enable_seqscan', 'off', true),
       set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true)
"""
_AS_RELAY = "select set_config('role', left(current_database(), 48) || '_psmp_relay', true)"


@asynccontextmanager
async def of_organization(pool: asyncpg.Pool[asyncpg.Record], organization: str) -> AsyncIterator[Connection]:
    """A transaction in which only the rows of `organization` exist."""
    async with transaction(pool) as connection:
        await connection.execute(_AS_APP, organization)
        yield connection


async def become_relay(connection: Connection) -> None:
    """Let the connection's transaction see the events of all organizations, and change none."""
    await connection.execute(_AS_RELAY)
