"""What a transaction writes of its project: what nearly all of them write is one statement."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from metaqore_ai_gateway.adapters.psmp.body_rows import LOCK_BODIES, keep_bodies, row_of
from metaqore_ai_gateway.adapters.psmp.changed_rows import artifact_in, columns_of, texts_named, touched
from metaqore_ai_gateway.adapters.psmp.conflict_writes import ConflictWrites
from metaqore_ai_gateway.adapters.psmp.entry_codec import encode_entries
from metaqore_ai_gateway.adapters.psmp.history_sql import SNAPSHOT_EVERY
from metaqore_ai_gateway.adapters.psmp.project_reads import columns
from metaqore_ai_gateway.adapters.psmp.provenance_writes import ProvenanceWrites
from metaqore_ai_gateway.adapters.psmp.refusal_codec import encode_refusal
from metaqore_ai_gateway.adapters.psmp.state_codec import encode_event, encode_state
from metaqore_ai_gateway.adapters.psmp.together import Together
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref, State
from metaqore_ai_gateway.service.psmp.folding import is_open
from metaqore_ai_gateway.service.psmp.known import id_of
from metaqore_ai_gateway.service.psmp.ports import Answered, Changes, Recorded
from metaqore_ai_gateway.service.psmp.standing import Holder, Rows
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.project import Project
from metaqore_governance_core.psmp.work import Work

if TYPE_CHECKING:
    from metaqore_mesh.database.pool import Connection

_NOW_US: Final = "(extract(epoch from clock_timestamp()) * 1000000)::bigint"
_BEGIN: Final = f"""
insert into psmp_projects (organization, project, version, name, recorded_us)
values ($1, $2, $3, $4, {_NOW_US}) on conflict (organization, project) do nothing returning recorded_us, transaction_id
"""  # noqa: S608  a constant, here and below
# The relay's order is that of transactions: a project's next events must come from a later one than its last. An id in
# the server's future was restored from another server.
_ADVANCE: Final = f"""
update psmp_projects set version = $3, recorded_us = greatest(recorded_us, {_NOW_US}),
    transaction_id = pg_current_xact_id()
where organization = $1 and project = $2 and (
    transaction_id < pg_current_xact_id() or transaction_id >= pg_snapshot_xmax(pg_current_snapshot())
) returning recorded_us, transaction_id
"""  # noqa: S608 - constants only
_EVENTS: Final = """
insert into psmp_events (
    organization, project, version, kind, aggregate, aggregate_version, type, schema, body, command, recorded_us
)
select $1, $2, given.*, advanced.recorded_us from unnest(
    $3::bigint[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::integer[], $9::bytea[], $10::text[]
) as given cross join advanced order by 3
"""
_AGGREGATES: Final = """
insert into psmp_aggregates as known (
    organization, project, kind, aggregate, id, version, born, changed, is_open, standing, lease_until_us, state,
    offered_us
)
select $1, $2, kind, aggregate, id, version, born, changed, is_open, standing, lease_until_us, state,
    array(select jsonb_array_elements_text(offered)::bigint)
from unnest(
    $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::boolean[], $10::text[],
    $11::bigint[], $12::bytea[], $13::jsonb[]
) as given (kind, aggregate, id, version, born, changed, is_open, standing, lease_until_us, state, offered)
on conflict (organization, project, kind, aggregate) do update set
    version = excluded.version, changed = excluded.changed, is_open = excluded.is_open, standing = excluded.standing,
    lease_until_us = excluded.lease_until_us, state = excluded.state, offered_us = excluded.offered_us
"""
_SNAPSHOTS: Final = """
insert into psmp_snapshots (organization, project, kind, aggregate, project_version, aggregate_version, state)
select $1, $2, given.* from unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[]) as given
"""
# Whoever is no longer active comes first: the unique index looks at every row as it is written.
_VERSIONS: Final = """
insert into psmp_versions as known (organization, project, artifact, number, phase, since_us, expires_us)
select $1, $2, given.* from unnest($3::text[], $4::integer[], $5::text[], $6::bigint[], $7::bigint[])
    as given (artifact, number, phase, since_us, expires_us)
order by given.phase = 'active', given.artifact, given.number
on conflict (organization, project, artifact, number) do update set
    phase = excluded.phase, since_us = excluded.since_us, expires_us = excluded.expires_us
where (known.phase, known.since_us, known.expires_us)
    is distinct from (excluded.phase, excluded.since_us, excluded.expires_us)
"""
# Each is found by itself: as one condition they are compared with all of a project's, each with each.
_UNPLACE: Final = """
delete from psmp_conflict_entries where ctid = any (array(
    select found.ctid from unnest($3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::text[], $8::integer[])
        as asked (kind, environment, name_digest, form, party, number)
    cross join lateral (
        select e.ctid from psmp_conflict_entries as e
        where e.organization = $1 and e.project = $2 and e.kind = asked.kind and e.environment = asked.environment
            and e.name_digest = asked.name_digest and e.form = asked.form and e.party = asked.party
            and e.number = asked.number
        limit 1
    ) as found
))
"""
_PLACE: Final = """
insert into psmp_conflict_entries (
    organization, project, kind, environment, name_digest, form, party, number, entries
)
select $1, $2, given.* from unnest(
    $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::text[], $8::integer[], $9::bytea[]
) as given
"""
_BODIES: Final = keep_bodies(3, used=True)
_ANSWERS: Final = """
insert into psmp_commands (organization, project, key, digest, first_version, last_version, refusal, receipt)
select $1, $2, given.* from unnest(
    $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::bytea[], $8::text[]
) as given
"""


@dataclass(frozen=True, slots=True)
class ProjectWrites:
    """Writes of one project on one connection."""

    connection: Connection
    organization: str
    project: str

    async def everything(self, changes: Changes, version: int) -> int | None:
        """All of `changes`. `version` is the project's before them. Gives the transaction where the project changes."""
        if not changes.events:
            if changes.answers:
                await self._run(_ANSWERS, *columns_of(_answers(changes.answers)))
            return None
        named = texts_named(changes)
        if named and changes.bodies:
            await self.connection.execute(LOCK_BODIES, self.organization, list(changes.bodies), named)
        gone = [row[:6] for holder, rows in changes.removed for row in _index_rows(holder, rows)]
        come = [row for holder, rows in changes.placed.items() for row in _index_rows(holder, rows)]
        together = Together(self.organization, self.project)
        self._advance(together, changes, version)
        together.add("events", _EVENTS, *columns_of(_events(changes.events)))
        self._states(together, changes)
        self._versions(together, changes)
        if come and not gone:
            together.add("placed", _PLACE, *columns_of(come))
        if changes.bodies:
            together.add("bodies", _BODIES, *columns_of([row_of(one) for one in changes.bodies.values()]))
        if changes.answers:
            together.add("answers", _ANSWERS, *columns_of(_answers(changes.answers)))
        row = await together.run(self.connection)
        if row is None:
            message = "Something else changed the same project at the same time. Try again."
            raise MetaQoreError("database_conflict", message, kind=ErrorKind.UNAVAILABLE, retryable=True)
        of = (self.connection, self.organization, self.project)
        await ConflictWrites(*of).everything(changes)
        await ProvenanceWrites(*of).everything(changes)
        if gone:
            await self._run(_UNPLACE, *columns_of(gone))
            if come:
                await self._run(_PLACE, *columns_of(come))
        return int(row["transaction_id"])

    async def _run(self, statement: str, *columns: Any) -> None:
        await self.connection.execute(statement, self.organization, self.project, *columns)

    def _advance(self, together: Together, changes: Changes, version: int) -> None:
        after = version + len(changes.events)
        if version == 0:
            state = changes.aggregates[Ref(Kind.PROJECT, self.project)].state
            assert isinstance(state, Project)  # noqa: S101 - nothing comes before a project's creation
            together.add("advanced", _BEGIN, after, state.name)
        else:
            together.add("advanced", _ADVANCE, after)

    def _states(self, together: Together, changes: Changes) -> None:
        rows, snapshots = [], []
        events = _count(changes.events)
        last = {one.happened.of: one.happened.version for one in changes.events}
        for ref, one in changes.aggregates.items():
            if ref not in last:
                continue  # a command that changes nothing leaves no event
            state = encode_state(one.state)
            places = (ref.kind.value, ref.id, id_of(self.organization, self.project, ref))
            versions = (one.version, one.born, last[ref])
            offered = f"[{','.join(map(str, one.offered_us))}]"
            rows.append((*places, *versions, is_open(one.state), *_task_columns(one.state), state, offered))
            if one.version // SNAPSHOT_EVERY > (one.version - events[ref]) // SNAPSHOT_EVERY:
                snapshots.append((ref.kind.value, ref.id, last[ref], one.version, state))
        together.add("aggregates", _AGGREGATES, *columns_of(rows))
        if snapshots:
            together.add("snapshots", _SNAPSHOTS, *columns_of(snapshots))

    def _versions(self, together: Together, changes: Changes) -> None:
        rows = []
        for artifact, number in touched(changes.events):
            version = artifact_in(changes.aggregates, artifact).versions[number - 1]
            rows.append((artifact, number, version.phase.value, version.since_us, version.expires_us))
        if rows:
            together.add("versions", _VERSIONS, *columns_of(rows))


def _events(events: Sequence[Recorded]) -> list[tuple[Any, ...]]:
    return [
        (
            one.happened.version,
            one.happened.of.kind.value,
            one.happened.of.id,
            one.happened.aggregate_version,
            *encode_event(one.happened.event),
            one.command,
        )
        for one in events
    ]


def _answers(answers: Mapping[str, Answered]) -> list[tuple[Any, ...]]:
    return [
        (
            hashed(key),
            one.digest,
            one.first,
            one.last,
            None if one.refusal is None else encode_refusal(one.refusal),
            one.receipt_token,
        )
        for key, one in answers.items()
    ]


def hashed(key: str) -> bytes:
    """What is kept of an idempotency key."""
    return hashlib.sha256(key.encode()).digest()


def _index_rows(holder: Holder, rows: Rows) -> Iterator[tuple[Any, ...]]:
    for key, (kind, environment, digest) in zip(rows, zip(*columns(rows), strict=True), strict=True):
        form, body = encode_entries(rows[key])
        yield kind, environment, digest, form, holder.party, holder.number, body


def _count(events: Iterable[Recorded]) -> Counter[Ref]:
    return Counter(one.happened.of for one in events)


def _task_columns(state: State) -> tuple[str | None, int | None]:
    """How a project or a task stands, and until when a task is held."""
    match state:
        case Project():
            return state.state, None
        case Work():
            return state.state, state.lease_until_us if state.holder else None
        case _:
            return None, None
