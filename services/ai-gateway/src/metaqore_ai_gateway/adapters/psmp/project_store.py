"""Projects in PostgreSQL: the port `ProjectStore`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.history_sql import happened, states_at
from metaqore_ai_gateway.adapters.psmp.index_memory import IndexMemory, RememberedIndex
from metaqore_ai_gateway.adapters.psmp.project_reads import ProjectReads
from metaqore_ai_gateway.adapters.psmp.project_writes import ProjectWrites, hashed
from metaqore_ai_gateway.adapters.psmp.refusal_codec import decode_refusal
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Outcome, Repeatable
from metaqore_ai_gateway.service.psmp.ports import Answered, Changes
from metaqore_ai_gateway.service.psmp.standing import Found
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey
from metaqore_governance_core.psmp.refusal import conflict

# Whoever works on a project reads and writes by key alone: one plan serves all keys, and to plan the reads anew for
# each took as long as most of them do.
_LOCK: Final = """
select version, transaction_id, set_config('plan_cache_mode', 'force_generic_plan', true)
from psmp_projects where organization = $1 and project = $2 for update
"""
_ANSWERS: Final = """
select key, digest, first_version, last_version, refusal, receipt from psmp_commands
where organization = $1 and project = $2 and key = any ($3::bytea[])
"""
# The lock keeps an erasure, and nobody else, waiting until the version that names the text is there: who uses a text
# first, and who brings it anew, change its row without its key.
_BODIES: Final = """
select digest from psmp_bodies where organization = $1 and digest = any ($2::text[]) and wrapped_key is not null
order by digest for key share
"""
_HAPPENED: Final = """
select version, kind, aggregate, aggregate_version, type, schema, body from psmp_events
where organization = $1 and project = $2 and version between $3 and $4 order by version
"""


@dataclass(frozen=True, slots=True)
class PostgresProjectStore:
    """The port `ProjectStore` on PostgreSQL. `prepare_roles` must have succeeded on its pool."""

    pool: asyncpg.Pool[asyncpg.Record]
    memory: IndexMemory = field(default_factory=IndexMemory)

    @asynccontextmanager
    async def open(self, organization: str, project: str) -> AsyncIterator[PostgresProjectTransaction]:
        """The project, locked until the block ends."""
        async with of_organization(self.pool, organization) as connection:
            row = await connection.fetchrow(_LOCK, organization, project)
            stamp = (0, 0) if row is None else (row["version"], row["transaction_id"])
            remembered = self.memory.take(organization, project, stamp)
            yield PostgresProjectTransaction(connection, organization, project, stamp[0], remembered)
        self.memory.give(organization, project, remembered)


@dataclass(frozen=True, slots=True)
class PostgresProjectTransaction(ProjectReads):
    """The port `ProjectTransaction` on PostgreSQL."""

    version: int
    remembered: RememberedIndex = field(default_factory=RememberedIndex)

    async def sample(self, keys: Collection[ConflictKey]) -> Mapping[ConflictKey, Sequence[Found]]:
        """Two of each who declare the same."""
        known = self.remembered.found(keys)
        read = await self.forms([key for key in keys if key not in known])
        return {**known, **{key: self.remembered.learn(key, rows) for key, rows in read.items()}}

    async def answers(self, repeatables: Collection[Repeatable]) -> Mapping[str, Answered]:
        """What came of the submissions with these keys."""
        keys = {hashed(one.key): one.key for one in repeatables}
        rows = await self.connection.fetch(_ANSWERS, self.organization, self.project, list(keys))
        return {keys[row["key"]]: _answered(row) for row in rows}

    async def outcome(self, answered: Answered) -> Outcome:
        """The outcome of then."""
        of = (self.organization, self.project)
        rows = await self.connection.fetch(_HAPPENED, *of, answered.first, answered.last)
        found = tuple(happened(row) for row in rows)
        refs = {one.of for one in found}
        states = await states_at(self.connection, *of, refs, answered.last)
        return Outcome(answered.last, found, states)

    async def bodies(self, digests: Collection[str]) -> AbstractSet[str]:
        """Those of these whose keys live; nobody destroys them before the end."""
        rows = await self.connection.fetch(_BODIES, self.organization, list(digests))
        return {row["digest"] for row in rows}

    async def write(self, changes: Changes) -> None:
        """Write everything."""
        with _explained():
            writes = ProjectWrites(self.connection, self.organization, self.project)
            transaction_id = await writes.everything(changes, self.version)
        if transaction_id is not None:
            self.remembered.follow(changes, (self.version + len(changes.events), transaction_id))


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "psmp_projects_organization_name_key":
            raise conflict("project_exists", "A project has this name already. Choose another name.") from error
        if error.constraint_name == "psmp_aggregates_by_id":
            raise conflict("task_exists", "The task exists already. Open another under its own id.") from error
        if error.constraint_name == "psmp_commands_pkey":
            message = "The same request arrived twice at once. Try again."
            raise MetaQoreError("database_conflict", message, kind=ErrorKind.UNAVAILABLE, retryable=True) from error
        raise


def _answered(row: asyncpg.Record) -> Answered:
    refusal = None if row["refusal"] is None else decode_refusal(row["refusal"])
    return Answered(row["digest"], row["first_version"], row["last_version"], refusal, row["receipt"])
