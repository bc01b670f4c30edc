"""Connections to PostgreSQL on which nothing waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from metaqore_mesh.database.errors import database_errors

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

CONNECT_TIMEOUT_S = 10.0
STATEMENT_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 10.0
_SLACK_S = 5.0


@asynccontextmanager
async def open_pool(
    url: str,
    *,
    name: str,
    size: int = 10,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> AsyncIterator[Pool]:
    """A pool of at most `size` connections for the service `name`, closed at the block's end.

    The server ends a statement after `statement_timeout_s` and a wait for a lock after `lock_timeout_s`; where the
    link is dead, the client gives up a little later. Raises `database_unavailable`.

    A session is given on as it is: whoever changes it (a listener, a lock or a setting beyond a transaction) undoes
    that, or has a connection of its own.
    """
    with database_errors():
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=statement_timeout_s + _SLACK_S,
            server_settings=server_settings(name, statement_timeout_s, lock_timeout_s),
            reset=_nothing_to_reset,
        )
    try:
        yield pool
    finally:
        await _close(pool)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of `pool` inside a transaction: committed at the block's end, rolled back by an exception.

    What a repeat may mend is raised as `MetaQoreError`, see `database_errors`. Wait for nothing but the database
    inside it: a transaction that stays open holds locks, vacuum and the outbox relays.
    """
    with database_errors():
        async with pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection, connection.transaction():
            yield connection


def server_settings(name: str, statement_timeout_s: float, lock_timeout_s: float) -> dict[str, str]:
    """The session settings of every connection of the mesh."""
    return {
        "application_name": f"metaqore-{name}",
        "timezone": "UTC",
        "statement_timeout": f"{int(statement_timeout_s * 1000)}",
        "lock_timeout": f"{int(lock_timeout_s * 1000)}",
        # A transaction that is forgotten would hold back vacuum and every outbox relay of the server.
        "idle_in_transaction_session_timeout": f"{int(statement_timeout_s * 1000)}",
        "jit": "off",  # our statements are short, and compiling them is not
        # A client that is gone without a word keeps its locks for a minute, not for two hours (TCP only). No probe goes
        # out while an answer or a notification waits for its ack: that has a bound of its own.
        "tcp_keepalives_idle": "30",
        "tcp_keepalives_interval": "10",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "60000",
    }


async def _nothing_to_reset(_: Connection) -> None:
    """In place of asyncpg's reset, which costs a round trip after every statement; it still ends transactions."""


async def _close(pool: Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()
