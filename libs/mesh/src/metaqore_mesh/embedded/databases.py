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

_LONGEST_STEM = 48  # what a role's name takes, without the longest ending
_ENDINGS = ("_psmp", "_psmp_relay")


async def make_databases(admin_url: str, names: Iterable[str], *, password: str | None = None) -> None:
    """Make each database with an owner role of the same name, where they are missing. `admin_url` is a superuser's.

    Nobody but its owner may enter a database. `password` lets the owners in over TCP. The gateway's has working roles.
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
            if name == GATEWAY:
                await _make_roles(connection, name, owner=name)


async def make_working_roles(admin_url: str, database: str, *, owner: str) -> None:
    """Make the roles that the gateway works under in `database`, where they are missing.

    They log in nowhere and pass no row-level security; `owner` takes them on for a transaction, and inherits nothing
    from them. `admin_url` is a superuser's.
    """
    async with _connected(admin_url) as connection:
        await _make_roles(connection, database, owner=owner)


def working_roles(database: str) -> tuple[str, ...]:
    """The roles that the gateway works under in `database`, as its migrations name them."""
    return tuple(database[:_LONGEST_STEM] + ending for ending in _ENDINGS)


async def ensure_databases(url: str, names: Iterable[str]) -> None:
    """Make the databases that a given server lacks, owned by the role in `url`, and the gateway's working roles.

    Raises `MetaQoreError` with the statements to run where that role may not.
    """
    wanted = tuple(names)
    async with _connected(url) as connection:
        await _ensure_databases(connection, wanted)
        if GATEWAY in wanted:
            await _ensure_roles(connection)


async def _ensure_databases(connection: asyncpg.Connection, names: Iterable[str]) -> None:
    user = await connection.fetchval("SELECT current_user::text")
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
            + " ".join(f'{statement} OWNER "{user}";' for statement in statements),
            kind=ErrorKind.UNAVAILABLE,
        ) from error


async def _ensure_roles(connection: asyncpg.Connection) -> None:
    user = await connection.fetchval("SELECT current_user::text")
    statements = [one async for one in _missing_roles(connection, GATEWAY, user)]
    try:
        await _make_roles(connection, GATEWAY, owner=user)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MetaQoreError(
            "psmp_roles_missing",
            "The role in METAQORE_DATABASE__URL may not make the roles that the gateway works under. "
            "Have an administrator run: " + " ".join(f"{statement};" for statement in statements),
            kind=ErrorKind.UNAVAILABLE,
        ) from error


async def _make_roles(connection: asyncpg.Connection, database: str, *, owner: str) -> None:
    async for statement in _missing_roles(connection, database, owner):
        await connection.execute(statement)


async def _missing_roles(connection: asyncpg.Connection, database: str, owner: str) -> AsyncIterator[str]:
    """What makes the working roles as they have to be, where they are not."""
    for role in working_roles(database):
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            yield f'CREATE ROLE "{role}" NOLOGIN'
            yield _granted(role, owner)
        elif not await connection.fetchval("SELECT pg_has_role($1::name, $2::name, 'set')", owner, role):
            yield _granted(role, owner)


def _granted(role: str, owner: str) -> str:
    return f'GRANT "{role}" TO "{owner}" WITH INHERIT FALSE, SET TRUE'


def with_database(url: str, name: str) -> str:
    """`url` with its database replaced by `name`."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}/{quote(name)}{query}"


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except asyncpg.InvalidCatalogNameError as error:
        raise MetaQoreError(
            "database_unreachable",
            f"PostgreSQL does not take the connection: {error}. Name one in METAQORE_DATABASE__URL that is there, such "
            "as postgres; the mesh makes its own beside it.",
        ) from error
    except ValueError:  # asyncpg's own for what is no URL, and what it lets through: pieces of it, and of the password
        raise MetaQoreError(
            "database_unreachable",
            "METAQORE_DATABASE__URL cannot be read. Write it as postgresql://role:password@host:5432/postgres, with "
            "what is special in a password in percent-encoding.",
        ) from None
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
