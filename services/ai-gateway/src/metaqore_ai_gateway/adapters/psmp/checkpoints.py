"""Checkpoints in PostgreSQL: the port `Checkpoints`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.history import PostgresHistory
from metaqore_ai_gateway.adapters.psmp.project_writes import ProjectWrites
from metaqore_ai_gateway.adapters.psmp.replay import PostgresReplay
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Repeatable
from metaqore_ai_gateway.service.psmp.ids import checkpoint_id
from metaqore_ai_gateway.service.psmp.points import AtVersion, Checkpoint
from metaqore_ai_gateway.service.psmp.ports import Answered, Changes
from metaqore_governance_core.psmp.refusal import PsmpRefusedError, conflict

_EXISTS: Final = """
select exists(select from psmp_checkpoints where organization = $1 and project = $2 and name = $3)
"""
_TAKE: Final = """
insert into psmp_checkpoints (
    organization, project, name, id, version, made_by, made_us, description, state_digest
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_PAGE: Final = """
select id, name, version, made_by, made_us, description, state_digest from psmp_checkpoints
where organization = $1 and project = $2 and ($3::bigint is null or (version, name) < ($3, $4))
order by version desc, name desc limit $5
"""
_FIND: Final = """
select id, name, version, made_by, made_us, description, state_digest, project from psmp_checkpoints
where organization = $1 and id = $2
"""


@dataclass(frozen=True, slots=True)
class PostgresCheckpoints:
    """The port `Checkpoints` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def take(
        self,
        organization: str,
        project: str,
        name: str,
        *,
        by: str,
        at_us: int,
        description: str = "",
        at_version: int | None = None,
        dry_run: bool = False,
        repeatable: Repeatable | None = None,
        receipt_token: str = "",
    ) -> Checkpoint:
        """Name a version; its whole state is folded for the digest."""
        history = PostgresHistory(self.pool)
        version = (
            await history.newest(organization, project)
            if at_version is None
            else await history.version_at(organization, project, AtVersion(at_version))
        )
        async with of_organization(self.pool, organization) as connection:
            if await connection.fetchval(_EXISTS, organization, project, name):
                raise _exists(name)
        digest = await PostgresReplay(self.pool).digest(organization, project, version)
        id_ = checkpoint_id(organization, project, name)
        taken = Checkpoint(id_, name, version, by, at_us, description, digest)
        if not dry_run:
            answers = {}
            if repeatable is not None:
                nothing_after = version + 1
                answers[repeatable.key] = Answered(repeatable.digest, nothing_after, version, None, receipt_token)
            await self._keep(organization, project, taken, answers)
        return taken

    async def find(self, organization: str, checkpoint: str) -> tuple[str, Checkpoint] | None:
        """The checkpoint with this id."""
        async with of_organization(self.pool, organization) as connection:
            row = await connection.fetchrow(_FIND, organization, checkpoint)
        return None if row is None else (row["project"], Checkpoint(*row[:-1]))

    async def page(
        self, organization: str, project: str, *, before: tuple[int, str] | None = None, size: int = 100
    ) -> Sequence[Checkpoint]:
        """Those before this version and name, the newest first."""
        version, name = before or (None, None)
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_PAGE, organization, project, version, name, size)
        return [Checkpoint(*row) for row in rows]

    async def _keep(self, organization: str, project: str, taken: Checkpoint, answers: Mapping[str, Answered]) -> None:
        """With what its repeat is answered, in one transaction."""
        row = (taken.name, taken.id, taken.version, taken.by, taken.at_us, taken.description, taken.state_digest)
        try:
            async with of_organization(self.pool, organization) as connection:
                await connection.execute(_TAKE, organization, project, *row)
                await ProjectWrites(connection, organization, project).everything(
                    Changes((), {}, (), {}, answers), taken.version
                )
        except asyncpg.UniqueViolationError as error:
            raise _exists(taken.name) from error


def _exists(name: str) -> PsmpRefusedError:
    return conflict("checkpoint_exists", f"There is a checkpoint {name} already. Choose another name.")
