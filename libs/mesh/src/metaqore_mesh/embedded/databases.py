"""The services' databases: each with an owner role of its own, which is no superuser."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import asyncpg

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GATEWAY = "metaqore_gateway"
AUDITOR = "metaqore_auditor"


async def make_databases(admin_url: str, names: Iterable[str], *, password: str | None = None) -> None:
    """Make each database with an owner role of the same name, where they are missing. `admin_url` is a superuser's.

    Nobody but its owner may enter a database. `password` lets the owners in over TCP.
    """
    async with _connected(admin_url) as connection:
        for name in names:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
                await connection.execute(f'CREATE ROLE "{name}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE')
            if password:
                quoted = password.replace("'", "''")
                await connection.execute(f"ALTER ROLE \"{name}\" PASSWORD '{quoted}'")
            if not await _exists(connection, name):
                await connection.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
                await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')


async def ensure_databases(url: str, names: Iterable[str]) -> None:
    """Make the databases that a given server lacks, owned by the role in `url`.

    Raises `MetaQoreError` with the statements to run where that role may not.
    """
    async with _connected(url) as connection:
        missing = [name for name in names if not await _exists(connection, name)]
        statements = [f'CREATE DATABASE "{name}"' for name in missing]
        try:
            for statement in statements:
                await connection.execute(statement)
        except asyncpg.DuplicateDatabaseError:
            return
        except asyncpg.InsufficientPrivilegeError as error:
            raise MetaQoreError(
                "databases_missing",
                "The role in METAQORE_DATABASE__URL may not create databases. Have an administrator run: "
                + " ".join(f"{statement} OWNER <that role>;" for statement in statements),
                kind=ErrorKind.UNAVAILABLE,
            ) from error


def with_database(url: str, name: str) -> str:
    """`url` with its database replaced by `name`."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{quote(name)}{query}"


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise MetaQoreError(
            "database_unreachable",
            f"PostgreSQL does not take the connection: {error}. Check METAQORE_DATABASE__URL.",
            kind=ErrorKind.UNAVAILABLE,
            retryable=True,
        ) from error
    try:
        yield connection
    finally:
        await connection.close()


async def _exists(connection: asyncpg.Connection, name: str) -> bool:
    return bool(await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name))
