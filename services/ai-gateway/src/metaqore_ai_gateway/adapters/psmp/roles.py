"""The roles that PSMP works under: neither owns a table, neither passes row-level security."""

from __future__ import annotations

import asyncpg

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.database.errors import database_errors

_PREPARE = "call psmp_prepare_roles()"


async def prepare_roles(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Make both roles, or see that an administrator has. Call it before anything else here.

    Raises `psmp_roles_missing`, with the statements to run, where they are missing and this role may not make them.
    """
    try:
        with database_errors():
            await pool.execute(_PREPARE)
    except asyncpg.InsufficientPrivilegeError as error:
        message = f"{error.args[0]} Have an administrator run: {getattr(error, 'hint', '') or 'GRANT'}"
        raise MetaQoreError("psmp_roles_missing", message.strip(), kind=ErrorKind.UNAVAILABLE) from error
