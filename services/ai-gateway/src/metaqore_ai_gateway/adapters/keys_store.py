"""API keys in PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from metaqore_ai_gateway.domain.api_key import ApiKey
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.database.errors import database_errors

_COLUMNS = "id, organization, caller, scopes, created_at, revoked_at"

_CREATE = f"""
insert into api_keys (id, organization, caller, scopes, digest) values ($1, $2, $3, $4, $5) returning {_COLUMNS}
"""  # noqa: S608  constants only, here and below

_CREATE_ORGANIZATION = "insert into organizations (id, name) values ($1, $2) on conflict do nothing"

_OF_ORGANIZATION = f"""
select {_COLUMNS} from api_keys where organization = $1 order by created_at, id
"""  # noqa: S608 - constants only

_REVOKE = f"""
update api_keys set revoked_at = coalesce(revoked_at, now())
where id = $1 and ($2::text is null or organization = $2) returning {_COLUMNS}
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class PostgresKeyStore:
    """The port `KeyStore` on PostgreSQL. Every change tells the key rings by `notify`."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def create(
        self, *, key_id: str, organization: str, caller: str, scopes: frozenset[str], digest: bytes
    ) -> ApiKey:
        """Keep a new key. Raises `organization_not_found`."""
        try:
            with database_errors():
                row = await self.pool.fetchrow(_CREATE, key_id, organization, caller, sorted(scopes), digest)
        except asyncpg.ForeignKeyViolationError as error:
            raise MetaQoreError(
                "organization_not_found",
                "There is no organization with this id; 'new' makes one.",
                kind=ErrorKind.NOT_FOUND,
            ) from error
        assert row is not None  # noqa: S101  an insert that returns has a row
        return _api_key(row)

    async def create_organization(self, organization: str, name: str) -> None:
        """Keep a new organization; one that is there already stays as it is."""
        with database_errors():
            await self.pool.execute(_CREATE_ORGANIZATION, organization, name)

    async def of_organization(self, organization: str) -> list[ApiKey]:
        """Its keys, revoked ones too, oldest first."""
        with database_errors():
            rows = await self.pool.fetch(_OF_ORGANIZATION, organization)
        return [_api_key(row) for row in rows]

    async def revoke(self, key_id: str, organization: str | None) -> ApiKey | None:
        """The key, revoked now or before; None where there is none."""
        with database_errors():
            row = await self.pool.fetchrow(_REVOKE, key_id, organization)
        return _api_key(row) if row else None


def _api_key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(
        id=row["id"],
        organization=row["organization"],
        caller=row["caller"],
        scopes=frozenset(row["scopes"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
    )
