"""The first organization and its administrator's key."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import asyncpg

from metaqore_ai_gateway.service.keys import digest_of, make_id, make_secret
from metaqore_governance_core.identity import Scope
from metaqore_mesh.run_directory import write_once

FIRST_ORGANIZATION: Final = "default"
ADMIN_NAME: Final = "admin"

_ORGANIZATION = """
with made as (insert into organizations (id, name) values ($1, $2) on conflict (name) do nothing returning id)
select id from made union all select id from organizations where name = $2 limit 1
"""
_HAS_ADMIN = "select exists (select from api_keys where organization = $1 and 'keys:admin' = any (scopes))"
_KEEP = """
insert into api_keys (id, organization, caller, scopes, digest) values ($1, $2, $3, $4, $5)
on conflict (digest) do nothing
"""


async def make_first_key(pool: asyncpg.Pool[asyncpg.Record], key_file: Path) -> None:
    """Make the organization `default` and an administrator's key in `key_file` (0600), unless they are there.

    The file is written before the row, so a crash between them is mended by the next start, which keeps the key that
    the file holds. Gateways that start together are put in a row by a lock. A file that was taken away is not made
    again while the organization has an administrator; a key that was revoked stays revoked.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select pg_advisory_xact_lock(hashtext('metaqore.first-key'))")
        organization = await connection.fetchval(_ORGANIZATION, make_id("org"), FIRST_ORGANIZATION)
        given_away = await connection.fetchval(_HAS_ADMIN, organization)
        if given_away and not key_file.exists():  # noqa: ASYNC240  two small files at start, here and below
            return
        secret = write_once(key_file, f"{make_secret()}\n".encode()).decode().strip()
        scopes = sorted(scope.value for scope in Scope)
        await connection.execute(_KEEP, make_id("key"), organization, ADMIN_NAME, scopes, digest_of(secret))
