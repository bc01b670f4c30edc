"""Projects, artifacts and tasks in PostgreSQL, now and at any version: the port `Catalog`."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.history_sql import seen_at
from metaqore_ai_gateway.adapters.psmp.places import PLACE
from metaqore_ai_gateway.adapters.psmp.relay import relayed
from metaqore_ai_gateway.adapters.psmp.state_codec import decode_state
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.known import Known, id_of
from metaqore_ai_gateway.service.psmp.lookup_ports import Among
from metaqore_ai_gateway.service.psmp.places import Place
from metaqore_ai_gateway.service.psmp.reading_ports import PastEvent
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.work import WorkState

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_NEWEST: Final = "select version from psmp_projects where organization = $1 and project = $2"
# `between`, here and below: for a planner without statistics, see docs/adr/0013.
_NAMED: Final = """
select a.kind, a.aggregate, a.id, a.project, a.version, a.state, p.version as project_version
from psmp_aggregates as a join psmp_projects as p using (organization, project)
where a.organization = $1 and a.id between $3 and $3 and a.kind = $2
order by a.id limit 1
"""
_NAMES: Final = """
select aggregate from psmp_aggregates
where organization = $1 and project = $2 and kind = $3 and aggregate > $4 and born <= $5
    and aggregate >= $6 and ($7::text is null or aggregate < $7)
order by aggregate limit $8
"""
# One statement, so that the version and the names are of one moment.
_IN_PHASE: Final = """
select p.version, found.artifact as aggregate from psmp_projects as p left join lateral (
    select distinct v.artifact from psmp_versions as v
    where v.organization = p.organization and v.project = p.project and v.phase = $3 and v.artifact > $4
        and v.artifact >= $5 and ($6::text is null or v.artifact < $6)
    order by v.artifact limit $7
) as found on true
where organization = $1 and project = $2
"""
_IN_STATE: Final = """
select p.version, found.aggregate from psmp_projects as p left join lateral (
    select a.aggregate from psmp_aggregates as a
    where a.organization = p.organization and a.project = p.project and a.kind = 'task' and a.standing = $3
        and a.aggregate > $4 and a.aggregate >= $5 and ($6::text is null or a.aggregate < $6)
    order by a.aggregate limit $7
) as found on true
where organization = $1 and project = $2
"""
_CHANGED: Final = """
select distinct kind, aggregate from psmp_events
where organization = $1 and project = $2 and version > $3 and version <= $4 and (kind, aggregate) > ($5, $6)
order by kind, aggregate limit $7
"""
_PROJECTS: Final = """
select a.kind, a.aggregate, a.id, a.project, a.version, a.state, p.version as project_version from (
    select * from psmp_projects where organization = $1 and project > $2 order by project limit $3
) as p cross join lateral (
    select * from psmp_aggregates as a
    where a.organization = p.organization and a.project = p.project and a.kind = 'project'
        and a.aggregate between p.project and p.project
    order by a.aggregate limit 1
) as a
order by a.id
"""
_EVENTS: Final = """
select organization, project, version, kind, aggregate, aggregate_version, type, schema, body, command, recorded_us
from psmp_events where organization = $1 and project = $2 and version > $3 order by version limit $4
"""


@dataclass(frozen=True, slots=True)
class PostgresCatalog:
    """The port `Catalog` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def newest(self, organization: str, project: str) -> int:
        """The project's version now."""
        async with of_organization(self.pool, organization) as connection:
            return await connection.fetchval(_NEWEST, organization, project) or 0

    async def place(self, organization: str, kind: Kind, id_: str) -> Place | None:
        """Where the aggregate with this id is."""
        async with of_organization(self.pool, organization) as connection:
            row = await connection.fetchrow(PLACE, organization, kind.value, id_)
        return None if row is None else Place(row["project"], Ref(kind, row["aggregate"]))

    async def named(self, organization: str, kind: Kind, id_: str) -> Known | None:
        """The aggregate with this id, as it is."""
        async with of_organization(self.pool, organization) as connection:
            row = await connection.fetchrow(_NAMED, organization, kind.value, id_)
        return None if row is None else known_in(row)

    async def at(self, organization: str, project: str, refs: Collection[Ref], version: int) -> dict[Ref, Known]:
        """Those of these that existed at that version."""
        async with of_organization(self.pool, organization) as connection:
            return await _at(connection, organization, project, refs, version)

    async def page(self, organization: str, among: Among, after: str, size: int) -> Sequence[Known]:
        """By name or id."""
        bounds = (after, among.version, among.prefix, successor(among.prefix))
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_NAMES, organization, among.project, among.kind.value, *bounds, size)
            return await _in_order(connection, organization, among, [row["aggregate"] for row in rows])

    async def page_standing(
        self, organization: str, among: Among, standing: Phase | WorkState, after: str, size: int
    ) -> Sequence[Known] | None:
        """Those alone that stand so."""
        statement = _IN_PHASE if isinstance(standing, Phase) else _IN_STATE
        bounds = (standing.value, after, among.prefix, successor(among.prefix))
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(statement, organization, among.project, *bounds, size)
            if any(row["version"] != among.version for row in rows):
                return None
            names = [row["aggregate"] for row in rows if row["aggregate"] is not None]
            return await _in_order(connection, organization, among, names)

    async def changed(
        self, organization: str, project: str, low: int, high: int, *, after: Ref | None, size: int
    ) -> Sequence[Ref]:
        """To what anything happened between the versions."""
        behind = ("", "") if after is None else (after.kind.value, after.id)
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_CHANGED, organization, project, low, high, *behind, size)
        return [Ref(Kind(row["kind"]), row["aggregate"]) for row in rows]

    async def projects(self, organization: str, after: str, size: int) -> Sequence[Known]:
        """As they are, by id."""
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_PROJECTS, organization, after, size)
        return [known_in(row) for row in rows]

    async def events(self, organization: str, project: str, after: int, size: int) -> Sequence[PastEvent]:
        """What happened behind that version."""
        async with of_organization(self.pool, organization) as connection:
            rows = await connection.fetch(_EVENTS, organization, project, after, size)
        return [relayed(row).past() for row in rows]


def known_in(row: asyncpg.Record) -> Known:
    """The aggregate of a row, as it is now."""
    kind = Kind(row["kind"])
    state = decode_state(kind, row["state"])
    return Known(Ref(kind, row["aggregate"]), row["id"], row["project"], row["version"], row["project_version"], state)


def successor(prefix: str) -> str | None:
    """The first text behind all that begin with `prefix`, in the order of code points; None where there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[at])
        if point < sys.maxunicode:
            following = 0xE000 if point == 0xD7FF else point + 1  # noqa: PLR2004 - over the surrogates
            return prefix[:at] + chr(following)
    return None


async def _at(
    connection: Connection, organization: str, project: str, refs: Collection[Ref], version: int
) -> dict[Ref, Known]:
    seen = await seen_at(connection, organization, project, refs, version)
    return {
        ref: Known(ref, id_of(organization, project, ref), project, one.revision, version, one.state)
        for ref, one in seen.items()
    }


async def _in_order(connection: Connection, organization: str, among: Among, names: Sequence[str]) -> list[Known]:
    refs = [Ref(among.kind, name) for name in names]
    found = await _at(connection, organization, among.project, refs, among.version)
    return [found[ref] for ref in refs]
