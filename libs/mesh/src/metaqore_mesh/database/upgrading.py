"""Running the steps that a database lacks, by Alembic, without its command line or an ini file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.database.errors import database_errors
from metaqore_mesh.database.pool import CONNECT_TIMEOUT_S, server_settings

#: One migration of a database at a time, whoever starts it; the number means nothing.
_LOCK = 0x6D657461_71

STEP_TIMEOUT_S = 600.0


async def upgrade(url: str, package: str) -> None:
    """Run the steps of `package` (as `metaqore_ai_gateway.migrations`) that the database at `url` lacks.

    All of them in one transaction under an advisory lock: two services that start at once do not collide, and a step
    that fails leaves nothing behind. Raises `database_unavailable`, and `database_not_migrated` with the reason where
    a step fails or the database has seen a step that this version does not know.
    """

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        settings = server_settings("migrations", STEP_TIMEOUT_S, STEP_TIMEOUT_S)
        return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, server_settings=settings)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        with database_errors(), _explained(package):
            async with engine.begin() as connection:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
                await connection.run_sync(_upgrade, package)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, package: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("path_separator", "newline")
    config.set_main_option("script_location", _path(__package__, "environment"))
    config.set_main_option("version_locations", _path(package, "versions"))
    command.upgrade(config, "head")


def _path(package: str, directory: str) -> str:
    """A directory of `package`, as the ini parser inside Alembic reads it."""
    return str(files(package) / directory).replace("%", "%%")


@contextmanager
def _explained(package: str) -> Iterator[None]:
    try:
        yield
    except (CommandError, DBAPIError) as error:
        cause = getattr(error, "orig", None) or error
        message = f"The database could not be brought to the newest step of {package}: {cause}"
        raise MetaQoreError("database_not_migrated", message, kind=ErrorKind.INTERNAL) from error
