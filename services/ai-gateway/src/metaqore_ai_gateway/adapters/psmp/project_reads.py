"""What a transaction reads of its project."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.entry_codec import decode_entries, digest_of
from metaqore_ai_gateway.adapters.psmp.state_codec import decode_state
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.standing import Found, Holder, Standing
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_AGGREGATES: Final = """
select kind, aggregate, version, born, offered_us, state from psmp_aggregates
where organization = $1 and project = $2
    and (kind, aggregate) in (select * from unnest($3::text[], $4::text[]))
"""
# A loose index scan: from each form to the next, however many declare it, and of each its first and its last party.
_SAMPLE: Final = """
select asked.at, found.party, found.number, found.entries
from unnest($3::text[], $4::text[], $5::bytea[]) with ordinality as asked (kind, environment, name_digest, at)
cross join lateral (
    with recursive forms as (
        (select e.form from psmp_conflict_entries as e
        where e.organization = $1 and e.project = $2 and e.kind = asked.kind
            and e.environment = asked.environment and e.name_digest = asked.name_digest
        order by e.form limit 1)
        union all
        select (
            select e.form from psmp_conflict_entries as e
            where e.organization = $1 and e.project = $2 and e.kind = asked.kind
                and e.environment = asked.environment and e.name_digest = asked.name_digest
                and e.form > forms.form
            order by e.form limit 1
        ) from forms where forms.form is not null
    )
    select form from forms where form is not null
) as each
cross join lateral (
    (select e.party, e.number, e.entries from psmp_conflict_entries as e
    where e.organization = $1 and e.project = $2 and e.kind = asked.kind
        and e.environment = asked.environment and e.name_digest = asked.name_digest and e.form = each.form
    order by e.party, e.number limit 1)
    union
    (select e.party, e.number, e.entries from psmp_conflict_entries as e
    where e.organization = $1 and e.project = $2 and e.kind = asked.kind
        and e.environment = asked.environment and e.name_digest = asked.name_digest and e.form = each.form
    order by e.party desc, e.number desc limit 1)
) as found
order by asked.at, found.party, found.number
"""
_COMPLETE: Final = """
select asked.at, e.party, e.number, e.entries
from unnest($3::text[], $4::text[], $5::bytea[]) with ordinality as asked (kind, environment, name_digest, at)
join psmp_conflict_entries as e on e.organization = $1 and e.project = $2 and e.kind = asked.kind
    and e.environment = asked.environment and e.name_digest = asked.name_digest
order by asked.at, e.party, e.number
"""
_STOPPED: Final = """
select distinct artifact, number from psmp_conflict_parties
where organization = $1 and project = $2 and ($3::text[] is null or party = any ($3))
order by artifact, number
"""
_OPEN_ITEMS: Final = """
select kind, aggregate from psmp_aggregates
where organization = $1 and project = $2 and is_open order by kind, aggregate
"""


@dataclass(frozen=True, slots=True)
class ProjectReads:
    """Reads of one project on one connection."""

    connection: Connection
    organization: str
    project: str

    async def aggregates(self, refs: Collection[Ref]) -> dict[Ref, Standing]:
        """Those of these that exist."""
        kinds, ids = [ref.kind.value for ref in refs], [ref.id for ref in refs]
        rows = await self.connection.fetch(_AGGREGATES, self.organization, self.project, kinds, ids)
        return {Ref(Kind(row["kind"]), row["aggregate"]): _standing(row) for row in rows}

    async def sample(self, keys: Collection[ConflictKey]) -> Mapping[ConflictKey, Sequence[Found]]:
        """Two of each who declare the same."""
        return await self._found(_SAMPLE, keys)

    async def complete(self, keys: Collection[ConflictKey]) -> Mapping[ConflictKey, Sequence[Found]]:
        """Everything under the keys."""
        return await self._found(_COMPLETE, keys)

    async def stopped(self, parties: Collection[str] | None) -> list[Holder]:
        """The proposals in open conflicts with these."""
        given = None if parties is None else list(parties)
        rows = await self.connection.fetch(_STOPPED, self.organization, self.project, given)
        return [Holder(row["artifact"], row["number"]) for row in rows]

    async def open_items(self) -> list[Ref]:
        """What is not final."""
        rows = await self.connection.fetch(_OPEN_ITEMS, self.organization, self.project)
        return [Ref(Kind(row["kind"]), row["aggregate"]) for row in rows]

    async def _found(self, statement: str, keys: Collection[ConflictKey]) -> dict[ConflictKey, list[Found]]:
        ordered = [key for key in keys if (key.organization, key.project) == (self.organization, self.project)]
        rows = await self.connection.fetch(statement, self.organization, self.project, *columns(ordered))
        found: dict[ConflictKey, list[Found]] = {}
        for row in rows:
            holder = Holder(row["party"], row["number"])
            entries = decode_entries(holder.party, holder.number, row["entries"])
            found.setdefault(ordered[row["at"] - 1], []).append(Found(holder, entries))
        return found


def columns(keys: Iterable[ConflictKey]) -> tuple[list[str], list[str], list[bytes]]:
    """Kinds, environments and digests of names, as the index has them."""
    rows = [(key.kind.value, key.environment, digest_of(key.name.encode())) for key in keys]
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def _standing(row: asyncpg.Record) -> Standing:
    state = decode_state(Kind(row["kind"]), row["state"])
    return Standing(state, row["version"], row["born"], tuple(row["offered_us"]))
