"""The past of projects in PostgreSQL: the port `History`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import asyncpg

from metaqore_ai_gateway.adapters.psmp.history_sql import happened, states_at
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Happened, Kind, Ref, State
from metaqore_ai_gateway.service.psmp.points import (
    AtCheckpoint,
    AtTime,
    AtVersion,
    Difference,
    Differences,
    Page,
    Point,
)
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Artifact

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_NEWEST: Final = "select version from psmp_projects where organization = $1 and project = $2"
# What is recorded for this time may not be committed yet: the lock waits for who writes now, and whoever comes later
# records a later time.
_NEWEST_SETTLED: Final = f"{_NEWEST} for share"
_IS_RECENT: Final = "select $1 > (extract(epoch from clock_timestamp()) * 1000000)::bigint - 120000000"
_BY_TIME: Final = """
select version from psmp_events where organization = $1 and project = $2 and recorded_us <= $3
order by recorded_us desc, version desc limit 1
"""
_BY_CHECKPOINT: Final = """
select version from psmp_checkpoints where organization = $1 and project = $2 and (name = $3 or id = $3)
order by id = $3 desc limit 1
"""
_NAMES: Final = """
select aggregate from psmp_aggregates
where organization = $1 and project = $2 and kind = 'artifact' and aggregate > $3 and born <= $4
order by aggregate limit $5
"""
_CHANGED: Final = """
select distinct aggregate from psmp_events
where organization = $1 and project = $2 and version > $4 and version <= $5
    and kind = 'artifact' and aggregate > $3
order by aggregate limit $6
"""
_EVENTS: Final = """
select version, kind, aggregate, aggregate_version, type, schema, body from psmp_events
where organization = $1 and project = $2 and version > $3 order by version limit $4
"""


@dataclass(frozen=True, slots=True)
class PostgresHistory:
    """The port `History` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def version_at(self, organization: str, project: str, point: Point) -> int:
        """The version of the project at this point."""
        async with of_organization(self.pool, organization) as connection:
            newest = await _newest(connection, organization, project)
            match point:
                case AtVersion(version) if 0 <= version <= newest:
                    return version
                case AtVersion(version):
                    raise _missing("version_missing", f"There is no version {version}; the newest is {newest}.")
                case AtCheckpoint(name):
                    found: int | None = await connection.fetchval(_BY_CHECKPOINT, organization, project, name)
                    if found is None:
                        raise _missing("checkpoint_missing", f"There is no checkpoint {name}. Take it first.")
                    return found
                case AtTime(us):
                    if await connection.fetchval(_IS_RECENT, us):
                        await connection.fetchval(_NEWEST_SETTLED, organization, project)
                    return int(await connection.fetchval(_BY_TIME, organization, project, us) or 0)

    async def newest(self, organization: str, project: str) -> int:
        """The version of the project now."""
        async with of_organization(self.pool, organization) as connection:
            return await _newest(connection, organization, project)

    async def page(self, organization: str, project: str, version: int, *, after: str = "", size: int = 100) -> Page:
        """Artifacts as they were at that version."""
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_NAMES, organization, project, after, version, size + 1)
            names = [row["aggregate"] for row in rows][:size]
            states = await _artifacts(connection, organization, project, names, version)
        return Page(version, tuple(states[name] for name in names), names[-1] if len(rows) > size else None)

    async def state(self, organization: str, project: str, version: int, ref: Ref) -> State | None:
        """An aggregate as it was at that version."""
        async with of_organization(self.pool, organization) as connection:
            return (await states_at(connection, organization, project, [ref], version)).get(ref)

    async def differences(
        self, organization: str, project: str, low: int, high: int, *, after: str = "", size: int = 100
    ) -> Differences:
        """What happened to artifacts between the two versions."""
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_CHANGED, organization, project, after, low, high, size + 1)
            names = [row["aggregate"] for row in rows][:size]
            before = await _artifacts(connection, organization, project, names, low)
            later = await _artifacts(connection, organization, project, names, high)
        found = tuple(Difference(name, before.get(name, Artifact()), later[name]) for name in names)
        return Differences(low, high, found, names[-1] if len(rows) > size else None)

    async def events(self, organization: str, project: str, *, after: int = 0, size: int = 100) -> Sequence[Happened]:
        """What happened after that version."""
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_EVENTS, organization, project, after, size)
        return [happened(row) for row in rows]


async def _newest(connection: Connection, organization: str, project: str) -> int:
    version: int | None = await connection.fetchval(_NEWEST, organization, project)
    if version is None:
        raise _missing("project_missing", "There is no such project. Create it first.")
    return version


async def _artifacts(
    connection: Connection, organization: str, project: str, names: Sequence[str], version: int
) -> dict[str, Artifact]:
    refs = [Ref(Kind.ARTIFACT, name) for name in names]
    states = await states_at(connection, organization, project, refs, version)
    return {ref.id: cast("Artifact", state) for ref, state in states.items()}


def _missing(code: str, message: str) -> MetaQoreError:
    return MetaQoreError(code, message, kind=ErrorKind.NOT_FOUND)
