"""The conflicts that stand and those that stood, in PostgreSQL: the port `Conflicts`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.history_sql import seen_at
from metaqore_ai_gateway.adapters.psmp.state_codec import decode_open_conflict
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.lookup_ports import ConflictPlace, ConflictsWanted
from metaqore_ai_gateway.service.psmp.reading_ports import FoundConflict
from metaqore_governance_core.psmp.artifact_state import Artifact, OpenConflict

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_COLUMNS: Final = "project, conflict, artifact, number, since_us, since_version, body"
_ORDER: Final = "since_us, project, conflict, artifact, number, since_version"
# `+ 0` names the index for all projects, which is none for a single one, whatever the planner believes.
_FILTER: Final = """
    and ($3::text is null or severity = $3) and ($4::text[] is null or type = any ($4))
    and ($5::text is null or artifact = $5)
    and (since_us + 0, project, conflict, artifact, number, since_version) > ($6, $7, $8, $9, $10::bigint, $11)
"""
_FILTER_IN_PROJECT: Final = """
    and ($3::text is null or severity = $3) and ($4::text[] is null or type = any ($4))
    and ($5::text is null or artifact = $5)
    and (since_us, conflict, artifact, number, since_version) > ($6, $8, $9, $10::bigint, $11) and $7::text is not null
"""
_ALL: Final = f"where organization = $1 and $2::text is null {_FILTER}"
_OF_PROJECT: Final = f"where organization = $1 and project = $2 {_FILTER_IN_PROJECT}"
_BY_AGE: Final = f"order by {_ORDER} limit $12"
_ALL_BY_AGE: Final = "order by since_us + 0, project, conflict, artifact, number, since_version limit $12"
_OPEN: Final = f"select {_COLUMNS}, null::bigint as ended_us from psmp_open_conflicts"  # noqa: S608  constants, here and below
_PAST: Final = f"select {_COLUMNS}, ended_us from psmp_past_conflicts"  # noqa: S608 - constants only

_ALL_OPEN: Final = f"{_OPEN} {_ALL} {_ALL_BY_AGE}"
_ALL_PAST: Final = f"{_PAST} {_ALL} {_ALL_BY_AGE}"
_OPEN_NOW: Final = f"{_OPEN} {_OF_PROJECT} {_BY_AGE}"
_PAST_NOW: Final = f"{_PAST} {_OF_PROJECT} {_BY_AGE}"
_OPEN_THEN: Final = f"{_OPEN} {_OF_PROJECT} and since_version <= $13 {_BY_AGE}"
_PAST_THEN: Final = f"""
select {_COLUMNS}, case when ended_version <= $13 then ended_us end as ended_us from psmp_past_conflicts
{_OF_PROJECT} and since_version <= $13 and ($14::boolean or ended_version > $13) {_BY_AGE}
"""  # noqa: S608 - constants only
_FIND: Final = f"""
(
    select {_COLUMNS}, null::bigint as ended_us, 0 as turn from psmp_open_conflicts
    where organization = $1 and conflict = $2
        and ($3::text is null or (project, artifact, number) = ($3, $4, $5::bigint))
    order by {_ORDER} limit 1
) union all (
    select {_COLUMNS}, ended_us, 1 from psmp_past_conflicts
    where organization = $1 and conflict = $2
        and ($3::text is null or (project, artifact, number) = ($3, $4, $5::bigint))
    order by ended_us desc, {_ORDER} limit 1
) order by turn limit 1
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class PostgresConflicts:
    """The port `Conflicts` on PostgreSQL."""

    pool: asyncpg.Pool[asyncpg.Record]

    async def page(
        self, organization: str, wanted: ConflictsWanted, after: ConflictPlace | None, size: int
    ) -> Sequence[tuple[ConflictPlace, FoundConflict]]:
        """The longest open first."""
        given = (
            wanted.project,
            wanted.severity,
            list(wanted.types) or None,
            wanted.artifact or None,
            *_behind(after),
            size,
        )
        async with of_organization(self.pool, organization) as connection:
            rows: list[asyncpg.Record] = []
            for statement, *more in _statements(wanted):
                rows += await connection.fetch(statement, organization, *given, *more)
            shown = sorted(rows, key=_place)[:size]
            then = await _then(connection, organization, wanted, shown)
        return [(_place(row), _found(organization, row, then.get(_place(row)))) for row in shown]

    async def find(self, organization: str, conflict: str) -> FoundConflict | None:
        """One that stands, else the last that stood."""
        return await self._one(organization, conflict, None, None, None)

    async def of_version(
        self, organization: str, conflict: str, project: str, artifact: str, number: int
    ) -> FoundConflict | None:
        """The same of one version."""
        return await self._one(organization, conflict, project, artifact, number)

    async def _one(self, organization: str, conflict: str, *of: Any) -> FoundConflict | None:
        async with of_organization(self.pool, organization) as connection:
            row = await connection.fetchrow(_FIND, organization, conflict, *of)
        return None if row is None else _found(organization, row, None)


def _statements(wanted: ConflictsWanted) -> Iterator[tuple[Any, ...]]:
    """What is asked, with what it takes beyond what all take."""
    if wanted.version is not None:
        yield _OPEN_THEN, wanted.version
        yield _PAST_THEN, wanted.version, wanted.ended
        return
    yield (_ALL_OPEN if wanted.project is None else _OPEN_NOW,)
    if wanted.ended:
        yield (_ALL_PAST if wanted.project is None else _PAST_NOW,)


async def _then(
    connection: Connection, organization: str, wanted: ConflictsWanted, rows: Iterable[asyncpg.Record]
) -> dict[ConflictPlace, OpenConflict]:
    """What stood at the version that is looked at, as it stood then: a choice may have come later."""
    if wanted.version is None or wanted.project is None:
        return {}
    standing = [row for row in rows if row["ended_us"] is None]
    refs = {Ref(Kind.ARTIFACT, row["artifact"]) for row in standing}
    seen = await seen_at(connection, organization, wanted.project, refs, wanted.version)
    found: dict[ConflictPlace, OpenConflict] = {}
    for row in standing:
        artifact = seen[Ref(Kind.ARTIFACT, row["artifact"])].state
        assert isinstance(artifact, Artifact)  # noqa: S101 - what its kind says
        for one in artifact.versions[row["number"] - 1].conflicts:
            if one.conflict.id == row["conflict"]:
                found[_place(row)] = one
    return found


def _behind(after: ConflictPlace | None) -> tuple[Any, ...]:
    if after is None:
        return (-1, "", "", "", 0, 0)
    return (after.since_us, after.project, after.conflict, after.artifact, after.number, after.since_version)


def _place(row: asyncpg.Record) -> ConflictPlace:
    return ConflictPlace(
        row["since_us"], row["project"], row["conflict"], row["artifact"], row["number"], row["since_version"]
    )


def _found(organization: str, row: asyncpg.Record, then: OpenConflict | None) -> FoundConflict:
    id_ = artifact_id(organization, row["project"], row["artifact"])
    opened = then or decode_open_conflict(row["body"])
    return FoundConflict(opened, row["project"], row["artifact"], id_, row["number"], row["ended_us"])
