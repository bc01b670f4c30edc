"""The past of aggregates: what has not changed since, or the newest snapshot and the events after it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.state_codec import decode_event, decode_state
from metaqore_ai_gateway.service.psmp.asked import Happened, Kind, Ref, State
from metaqore_ai_gateway.service.psmp.folding import beginning, evolve

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

SNAPSHOT_EVERY: Final = 64
"""Events of one aggregate from one snapshot to the next: folding so many costs about a millisecond."""

# Since its last event an aggregate is what it is now: of most, nothing has to be folded. `between`: for a planner
# without statistics, see docs/adr/0013.
_UNCHANGED: Final = """
select found.* from unnest($3::text[], $4::text[]) as asked (kind, aggregate) cross join lateral (
    select a.kind, a.aggregate, a.version, a.state from psmp_aggregates as a
    where a.organization = $1 and a.project = $2 and a.kind = asked.kind
        and a.aggregate between asked.aggregate and asked.aggregate and a.changed <= $5
    order by a.aggregate limit 1
) as found
"""
_SNAPSHOTS: Final = """
select asked.kind, asked.aggregate, found.aggregate_version, found.state
from unnest($3::text[], $4::text[]) as asked (kind, aggregate)
cross join lateral (
    select aggregate_version, state from psmp_snapshots as s
    where s.organization = $1 and s.project = $2 and s.kind = asked.kind and s.aggregate = asked.aggregate
        and s.project_version <= $5
    order by s.project_version desc limit 1
) as found
"""
# `+ 0`, so that they are found by their aggregate and not by counting through the project; `offset 0`, so that each
# aggregate is looked for by itself.
_EVENTS: Final = """
select asked.kind, asked.aggregate, found.aggregate_version, found.type, found.schema, found.body
from unnest($3::text[], $4::text[], $5::bigint[]) as asked (kind, aggregate, after)
cross join lateral (
    select e.version, e.aggregate_version, e.type, e.schema, e.body from psmp_events as e
    where e.organization = $1 and e.project = $2 and e.kind = asked.kind and e.aggregate = asked.aggregate
        and e.aggregate_version > asked.after and e.version + 0 <= $6
    offset 0
) as found
order by found.version
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A state, and how many events led to it."""

    state: State
    revision: int


async def seen_at(
    connection: Connection, organization: str, project: str, refs: Collection[Ref], version: int
) -> dict[Ref, Seen]:
    """Each of these that existed at that version of the project, as it was then."""
    kinds, ids = [ref.kind.value for ref in refs], [ref.id for ref in refs]
    seen: dict[Ref, Seen] = {}
    for row in await connection.fetch(_UNCHANGED, organization, project, kinds, ids, version):
        ref = Ref(Kind(row["kind"]), row["aggregate"])
        seen[ref] = Seen(decode_state(ref.kind, row["state"]), row["version"])
    others = [ref for ref in refs if ref not in seen]
    if others:
        seen.update(await _folded(connection, organization, project, others, version))
    return seen


async def states_at(
    connection: Connection, organization: str, project: str, refs: Collection[Ref], version: int
) -> dict[Ref, State]:
    """The same without how many events led there."""
    seen = await seen_at(connection, organization, project, refs, version)
    return {ref: one.state for ref, one in seen.items()}


async def _folded(
    connection: Connection, organization: str, project: str, refs: Sequence[Ref], version: int
) -> dict[Ref, Seen]:
    kinds, ids = [ref.kind.value for ref in refs], [ref.id for ref in refs]
    after = dict.fromkeys(refs, 0)
    states: dict[Ref, State] = {}
    for row in await connection.fetch(_SNAPSHOTS, organization, project, kinds, ids, version):
        ref = Ref(Kind(row["kind"]), row["aggregate"])
        after[ref], states[ref] = row["aggregate_version"], decode_state(ref.kind, row["state"])
    rows = await connection.fetch(_EVENTS, organization, project, kinds, ids, list(after.values()), version)
    for row in rows:
        ref = Ref(Kind(row["kind"]), row["aggregate"])
        event = decode_event(row["type"], row["schema"], row["body"])
        after[ref] = row["aggregate_version"]
        states[ref] = evolve(states.get(ref) or beginning(ref.kind), event)
    return {ref: Seen(state, after[ref]) for ref, state in states.items()}


def happened(row: asyncpg.Record) -> Happened:
    """The event of a row."""
    ref = Ref(Kind(row["kind"]), row["aggregate"])
    event = decode_event(row["type"], row["schema"], row["body"])
    return Happened(row["version"], ref, row["aggregate_version"], event)
