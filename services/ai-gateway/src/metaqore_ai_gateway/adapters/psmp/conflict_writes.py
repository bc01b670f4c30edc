"""The conflicts that versions stand in, and those that they stood in, as events change them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from metaqore_ai_gateway.adapters.psmp.changed_rows import artifact_in, columns_of
from metaqore_ai_gateway.adapters.psmp.state_codec import decode_open_conflict, encode_open_conflict
from metaqore_ai_gateway.service.psmp.asked import Happened, Kind
from metaqore_ai_gateway.service.psmp.ports import Changes
from metaqore_governance_core.psmp import artifact_events as events
from metaqore_governance_core.psmp.artifact_state import OFFERED_PHASES, OpenConflict
from metaqore_governance_core.psmp.conflicts.model import Choice

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

# Here as elsewhere `any` leads to the index: by the rows alone, which it then looks at, a planner that knows no better
# reads all of a project.
_CLOSE: Final = """
delete from psmp_open_conflicts where organization = $1 and project = $2 and artifact = any ($3::text[])
    and (artifact, number, conflict) in (select * from unnest($3::text[], $4::integer[], $5::text[]))
returning artifact, number, conflict, since_version, body
"""
_LEAVE: Final = """
delete from psmp_open_conflicts where organization = $1 and project = $2 and artifact = any ($3::text[])
    and (artifact, number) in (select * from unnest($3::text[], $4::integer[]))
returning artifact, number, conflict, since_version, body
"""
_KEEP: Final = """
insert into psmp_past_conflicts (
    organization, project, artifact, number, conflict, type, severity, since_us, since_version, ended_us,
    ended_version, body
)
select $1, $2, given.* from unnest(
    $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[],
    $11::bigint[], $12::bytea[]
) as given
"""
_OPEN: Final = """
insert into psmp_open_conflicts (
    organization, project, artifact, number, conflict, type, severity, since_us, since_version, body
)
select $1, $2, given.* from unnest(
    $3::text[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bytea[]
) as given
on conflict (organization, conflict, project, artifact, number) do update set body = excluded.body
"""
_FORGET_PARTIES: Final = """
delete from psmp_conflict_parties where organization = $1 and project = $2 and artifact = any ($3::text[])
    and (artifact, number) in (select * from unnest($3::text[], $4::integer[]))
"""
_PARTIES: Final = """
insert into psmp_conflict_parties (organization, project, party, artifact, number)
select $1, $2, given.* from unnest($3::text[], $4::text[], $5::integer[]) as given
"""

_Version: TypeAlias = tuple[str, int]
_Place: TypeAlias = tuple[str, int, str]
_Ending = events.Rejected | events.Withdrawn | events.Lapsed | events.Activations


@dataclass(frozen=True, slots=True)
class _Since:
    opened: OpenConflict
    version: int


@dataclass(frozen=True, slots=True)
class _End:
    at_us: int
    version: int
    choice: Choice | None = None


@dataclass(slots=True)
class _Course:
    """What events make of conflicts: some begin, some end, some do both before anything is written."""

    found: dict[_Place, _Since] = field(default_factory=dict)
    chosen: set[_Place] = field(default_factory=set)
    ended: dict[_Place, _End] = field(default_factory=dict)
    left: dict[_Version, _End] = field(default_factory=dict)
    passed: list[tuple[_Place, _Since, _End]] = field(default_factory=list)

    def follow(self, one: Happened) -> None:
        """Go on with what happened next."""
        name, version = one.of.id, one.version
        match one.event:
            case events.ConflictFound() as event:
                place = (name, event.version, event.conflict.id)
                self.found[place] = _Since(OpenConflict(event.conflict, event.at_us), version)
            case events.ResolutionChosen() as event:
                self._choose((name, event.version, event.conflict), event.choice)
            case events.WarningAcknowledged() as event:
                self._end((name, event.version, event.conflict), _End(event.at_us, version, event.choice))
            case events.ConflictGone() as event:
                self._end((name, event.version, event.conflict), _End(event.at_us, version))
            case event if isinstance(event, _Ending):
                end = _End(event.at_us, version)
                for place in [place for place in self.found if place[:2] == (name, event.version)]:
                    self._end(place, end)
                self.left[name, event.version] = end
            case _:
                pass

    def changed(self) -> list[_Version]:
        """The versions whose conflicts are others now."""
        return list(dict.fromkeys([*(place[:2] for place in (*self.found, *self.ended)), *self._ended_before()]))

    def _ended_before(self) -> Iterator[_Version]:
        yield from self.left
        yield from (place[:2] for place, _, _ in self.passed)

    def _choose(self, place: _Place, choice: Choice) -> None:
        if place in self.found:
            since = self.found[place]
            self.found[place] = replace(since, opened=replace(since.opened, choice=choice))
        else:
            self.chosen.add(place)

    def _end(self, place: _Place, end: _End) -> None:
        if place in self.found:
            self.passed.append((place, self.found.pop(place), end))
        else:
            self.ended[place] = end
            self.chosen.discard(place)


@dataclass(frozen=True, slots=True)
class ConflictWrites:
    """Writes of one project on one connection."""

    connection: Connection
    organization: str
    project: str

    async def everything(self, changes: Changes) -> None:
        """What `changes` make of conflicts."""
        course = _Course()
        for one in changes.events:
            if one.happened.of.kind is Kind.ARTIFACT:
                course.follow(one.happened)
        await self._close(course)
        await self._open(course, changes)
        await self._name_parties(course.changed(), changes)

    async def _close(self, course: _Course) -> None:
        passed = list(course.passed)
        for statement, places in ((_CLOSE, course.ended), (_LEAVE, course.left)):
            if not places:
                continue
            given = columns_of(list(places))
            for row in await self.connection.fetch(statement, self.organization, self.project, *given):
                place = (row["artifact"], row["number"], row["conflict"])
                end = course.ended.get(place) or course.left[place[:2]]
                passed.append((place, _Since(decode_open_conflict(row["body"]), row["since_version"]), end))
        if passed:
            await self._run(_KEEP, [_past(*one) for one in passed])

    async def _open(self, course: _Course, changes: Changes) -> None:
        rows = [_row(place, since) for place, since in course.found.items()]
        for name, number, conflict in sorted(course.chosen):
            standing = artifact_in(changes.aggregates, name).versions[number - 1].conflicts
            rows += [
                # It is there already, and stays since when it was.
                _row((name, number, conflict), _Since(one, 0))
                for one in standing
                if one.conflict.id == conflict and (name, number) not in course.left
            ]
        if rows:
            await self._run(_OPEN, rows)

    async def _name_parties(self, changed: Sequence[_Version], changes: Changes) -> None:
        if not changed:
            return
        await self._run(_FORGET_PARTIES, changed)
        rows = list(_parties(changed, changes))
        if rows:
            await self._run(_PARTIES, rows)

    async def _run(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        await self.connection.execute(statement, self.organization, self.project, *columns_of(rows))


def _row(place: _Place, since: _Since) -> tuple[Any, ...]:
    found = since.opened.conflict
    times = (since.opened.since_us, since.version)
    return (*place, found.type.value, found.severity.value, *times, encode_open_conflict(since.opened))


def _past(place: _Place, since: _Since, end: _End) -> tuple[Any, ...]:
    opened = since.opened if end.choice is None else replace(since.opened, choice=end.choice)
    row = _row(place, replace(since, opened=opened))
    return (*row[:-1], end.at_us, end.version, row[-1])


def _parties(changed: Iterable[_Version], changes: Changes) -> Iterator[tuple[str, str, int]]:
    for name, number in changed:
        version = artifact_in(changes.aggregates, name).versions[number - 1]
        if version.phase in OFFERED_PHASES:
            clashing = {party.artifact for one in version.conflicts for party in one.conflict.clashing} - {name}
            yield from ((party, name, number) for party in sorted(clashing))
