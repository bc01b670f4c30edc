r"""Bringing a service's database to the newest step.

A service has a package `migrations` with a package `versions` in it, one module a step:

    revision, down_revision, branch_labels, depends_on = "0001", None, None, None

    def upgrade() -> None:
        op.execute("create table ...")

Plain SQL, one statement for each `op.execute`, no ORM. (`op.execute` reads `:word` as a parameter: write `\:word`.)
"""

from __future__ import annotations

import re
from importlib.resources import files

import asyncpg

from metaqore_mesh.database.errors import database_errors, url_invalid
from metaqore_mesh.database.pool import CONNECT_TIMEOUT_S

_STEP = re.compile(r"v?(\d+)_\w+\.py$")


async def migrate(url: str, package: str) -> None:
    """Run the steps of `package` (as `metaqore_ai_gateway.migrations`) that the database at `url` lacks.

    All of them in one transaction under an advisory lock: two services that start at once do not collide, and a step
    that fails leaves nothing behind. Raises `database_unavailable`, and `database_not_migrated` with the reason where
    a step fails or the database has seen a step that this version does not know. As what a service does
    first with its database it also raises `settings_invalid` where METAQORE_DATABASE__URL is not set or cannot be read.
    """
    if await _current(url) == _newest(package):
        return
    # Alembic takes a second or two to import: a service that starts again should not wait for it.
    from metaqore_mesh.database.upgrading import upgrade  # noqa: PLC0415 - slow to import

    await upgrade(url, package)


async def _current(url: str) -> str | None:
    if not url:
        raise url_invalid("it is not set")  # asyncpg would guess a server and a role from the process's account
    with database_errors():
        try:
            connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
        except (KeyError, ValueError):  # no role in it, and the process's account has no name; or no URL at all
            raise url_invalid("it cannot be read") from None  # asyncpg's errors show pieces of it, and of the password
        try:
            if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
                return None
            found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
            return found
        finally:
            await connection.close()


def _newest(package: str) -> str:
    """The revision of the last step: the number that its module's name has, `v0007_what_it_does` or `0007_…`."""
    names = (path.name for path in (files(package) / "versions").iterdir())
    return max((step[1] for name in names if (step := _STEP.match(name))), default="")
