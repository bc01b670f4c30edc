"""What a transaction reads of its project."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.entry_codec import decode_entries, digest_of
from metaqore_ai_gateway.adapters.psmp.index_memory import SHARED_KINDS
from metaqore_ai_gateway.adapters.psmp.state_codec import decode_state
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.standing import Found, Holder, Standing
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

# Each by itself: as one condition a planner that knows no better reads all of a project for them. Here and elsewhere
# `between`, with the order, leaves it one index: to a planner without statistics all those that begin with the
# organization cost the same, and in a young table it took one by which it read all of the organization.
_AGGREGATES: Final = """
select found.* from unnest($3::text[], $4::text[]) as asked (kind, aggregate) cross join lateral (
    select a.kind, a.aggregate, a.version, a.born, a.offered_us, a.state from psmp_aggregates as a
    where a.organization = $1 and a.project = $2 and a.kind = asked.kind
        and a.aggregate between asked.aggregate and asked.aggregate
    order by a.aggregate limit 1
) as found
"""
# A loose index scan: from the first party of each form to that of the next, however many declare it, and of each form
# its last party, too, where that is another.
_SAMPLE: Final = """
select asked.at, first.form, found.party, found.number, found.entries
from unnest($3::text[], $4::text[], $5::bytea[]) with ordinality as asked (kind, environment, name_digest, at)
cross join lateral (
    with recursive firsts as (
        (select e.form, e.party, e.number, e.entries from psmp_conflict_entries as e
        where e.organization = $1 and e.project = $2 and e.kind = asked.kind
            and e.environment = asked.environment and e.name_digest = asked.name_digest
        order by e.form, e.party, e.number limit 1)
        union all
        select following.* from firsts cross join lateral (
            select e.form, e.party, e.number, e.entries from psmp_conflict_entries as e
            where e.organization = $1 and e.project = $2 and e.kind = asked.kind
                and e.environment = asked.environment and e.name_digest = asked.name_digest
                and e.form > firsts.form
            order by e.form, e.party, e.number limit 1
        ) as following
    )
    select * from firsts
) as first
cross join lateral (
    select first.party, first.number, first.entries
    union all
    (select e.party, e.number, e.entries from psmp_conflict_entries as e
    where e.organization = $1 and e.project = $2 and e.kind = asked.kind
        and e.environment = asked.environment and e.name_digest = asked.name_digest and e.form = first.form
        and e.party > first.party
    order by e.party desc, e.number desc limit 1)
) as found
order by asked.at, found.party, found.number
"""
FEW: Final = 32
# A path is mostly nobody's, or a few have it: then to read them costs half of what looking for forms does.
_FEW: Final = f"""
select asked.at, found.form, found.party, found.number, found.entries
from unnest($3::text[], $4::text[], $5::bytea[]) with ordinality as asked (kind, environment, name_digest, at)
cross join lateral (
    select e.form, e.party, e.number, e.entries from psmp_conflict_entries as e
    where e.organization = $1 and e.project = $2 and e.kind = asked.kind
        and e.environment = asked.environment and e.name_digest = asked.name_digest
    limit {FEW + 1}
) as found
order by asked.at, found.party, found.number
"""  # noqa: S608  a constant
_COMPLETE: Final = """
select asked.at, e.form, e.party, e.number, e.entries
from unnest($3::text[], $4::text[], $5::bytea[]) with ordinality as asked (kind, environment, name_digest, at)
cross join lateral (
    select form, party, number, entries from psmp_conflict_entries as e
    where e.organization = $1 and e.project = $2 and e.kind = asked.kind
        and e.environment = asked.environment and e.name_digest = asked.name_digest
    offset 0
) as e
order by asked.at, e.party, e.number
"""
_STOPPED: Final = """
select distinct artifact, number from psmp_conflict_parties where organization = $1 and project = $2
order by artifact, number
"""
_STOPPED_BY: Final = """
select distinct found.artifact, found.number from unnest($3::text[]) as asked (party) cross join lateral (
    select p.artifact, p.number from psmp_conflict_parties as p
    where p.organization = $1 and p.project = $2 and p.party between asked.party and asked.party
    order by p.party, p.artifact, p.number offset 0
) as found
order by found.artifact, found.number
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

    async def forms(self, keys: Collection[ConflictKey]) -> Mapping[ConflictKey, Sequence[tuple[bytes, Found]]]:
        """Each form under the keys, with two of different parties who declare it where there are two."""
        many = [key for key in keys if key.kind in SHARED_KINDS]
        few = await self._found(_FEW, [key for key in keys if key.kind not in SHARED_KINDS])
        many += [key for key, rows in few.items() if len(rows) > FEW]
        return {**few, **await self._found(_SAMPLE, many)}

    async def complete(self, keys: Collection[ConflictKey]) -> Mapping[ConflictKey, Sequence[Found]]:
        """Everything under the keys."""
        return alone(await self._found(_COMPLETE, keys))

    async def stopped(self, parties: Collection[str] | None) -> list[Holder]:
        """The proposals in open conflicts with these."""
        of = (self.organization, self.project)
        if parties is None:
            rows = await self.connection.fetch(_STOPPED, *of)
        else:
            rows = await self.connection.fetch(_STOPPED_BY, *of, list(parties))
        return [Holder(row["artifact"], row["number"]) for row in rows]

    async def open_items(self) -> list[Ref]:
        """What is not final."""
        rows = await self.connection.fetch(_OPEN_ITEMS, self.organization, self.project)
        return [Ref(Kind(row["kind"]), row["aggregate"]) for row in rows]

    async def _found(
        self, statement: str, keys: Collection[ConflictKey]
    ) -> dict[ConflictKey, list[tuple[bytes, Found]]]:
        """What stands under each key, with its form."""
        found: dict[ConflictKey, list[tuple[bytes, Found]]] = {key: [] for key in keys}
        ordered = [key for key in keys if (key.organization, key.project) == (self.organization, self.project)]
        if not ordered:
            return found
        rows = await self.connection.fetch(statement, self.organization, self.project, *columns(ordered))
        for at, form, party, number, entries in rows:
            one = Found(Holder(party, number), decode_entries(party, number, entries))
            found[ordered[at - 1]].append((form, one))
        return found


def alone(found: Mapping[ConflictKey, Sequence[tuple[bytes, Found]]]) -> dict[ConflictKey, list[Found]]:
    """What stands under each key, without its form."""
    return {key: [one for _, one in rows] for key, rows in found.items()}


def columns(keys: Iterable[ConflictKey]) -> tuple[list[str], list[str], list[bytes]]:
    """Kinds, environments and digests of names, as the index has them."""
    rows = [(key.kind.value, key.environment, digest_of(key.name.encode())) for key in keys]
    return [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]


def _standing(row: asyncpg.Record) -> Standing:
    state = decode_state(Kind(row["kind"]), row["state"])
    return Standing(state, row["version"], row["born"], tuple(row["offered_us"]))
