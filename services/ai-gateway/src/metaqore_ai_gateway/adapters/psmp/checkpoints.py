"""Checkpoints in PostgreSQL: the port `Checkpoints`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.points import Checkpoint
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.refusal import conflict

_TAKE: Final = """
insert into psmp_checkpoints (organization, project, name, version, made_by, made_us, note)
select organization, project, $3, version, $4, $5, $6 from psmp_projects where organization = $1 and project = $2
returning version
"""
_PAGE: Final = """
select name, version, made_by, made_us, note from psmp_checkpoints
where organization = $1 and project = $2 and ($3::bigint is null or version < $3)
order by version desc, name limit $4
"""


@dataclass(frozen=True, slots=True)
class PostgresCheckpoints:
    """The port `Checkpoints` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def take(self, organization: str, project: str, name: str, *, by: str, at_us: int, note: str) -> Checkpoint:
        """Name the version of now."""
        try:
            async with of_organization(self.pool, organization) as connection:
                version = await connection.fetchval(_TAKE, organization, project, name, by, at_us, note)
        except asyncpg.UniqueViolationError as error:
            raise conflict(
                "checkpoint_exists", f"There is a checkpoint {name} already. Choose another name."
            ) from error
        if version is None:
            raise MetaQoreError(
                "project_missing", "There is no such project. Create it first.", kind=ErrorKind.NOT_FOUND
            )
        return Checkpoint(name, version, by, at_us, note)

    async def page(
        self, organization: str, project: str, *, before: int | None = None, size: int = 100
    ) -> Sequence[Checkpoint]:
        """Those of versions below `before`, the newest first."""
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_PAGE, organization, project, before, size)
        return [Checkpoint(*row) for row in rows]
