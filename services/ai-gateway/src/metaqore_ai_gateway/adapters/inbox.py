"""Claims of tasks in PostgreSQL."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.batched_writes import BatchedWrites
from metaqore_ai_gateway.adapters.inbox_codec import (
    decode_kept,
    decode_outcome,
    decode_result,
    encode_kept,
    encode_outcome,
    encode_result,
)
from metaqore_ai_gateway.domain.claim import Claim, ClaimState, Origin, Standing
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.domain.task_result import TaskResult
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_mesh.database.errors import database_errors

RESULT_KEPT_HOURS: Final = 24
ORIGIN_KEPT_DAYS: Final = 30
"""Longer than a topic usually keeps its records, so that a group that lost its offsets runs nothing twice."""

_CONCLUDE_GATHER_S: Final = 0.02
_FINISH_GATHER_S: Final = 0.2
"""Nobody waits for the end of a claim: a crash before it only sends the result again."""

_STANDING = """
    organization, source, event_id, task, writer, state, caller_id, caller_name, reply_key, attempts,
    body, result, outcome
"""

# Rows are taken in one order everywhere, so that two gateways that claim the same events cannot deadlock.
_CLAIM = """
with incoming as (
    select * from unnest(
        $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::bytea[]
    ) as t (organization, source, event_id, task, caller_id, caller_name, reply_key, body)
)
insert into task_claims (writer, organization, source, event_id, task, caller_id, caller_name, reply_key, body)
select $1, * from incoming order by organization, source, event_id
on conflict do nothing
"""
_FIND = f"""
select {_STANDING} from task_claims
where (organization, source, event_id) in (select * from unnest($1::text[], $2::text[], $3::text[]))
"""  # noqa: S608  constants only, here and below
_CONCLUDE = """
update task_claims as held set state = 'concluded', body = null, result = given.result, outcome = given.outcome
from unnest($1::text[], $2::bytea[], $3::bytea[]) as given (task, result, outcome)
where held.task = given.task and held.state = 'claimed'
"""
_FINISH = """
update task_claims set state = 'done', outcome = null, done_at = now()
where task = any ($1::text[]) and state = 'concluded'
"""
_COUNT_ATTEMPT = "update task_claims set attempts = attempts + 1 where task = $1 returning attempts"
_UNFINISHED = f"select {_STANDING} from task_claims where writer = $1 and state <> 'done' order by task"  # noqa: S608 - constants only
_BY_TASK = f"select {_STANDING} from task_claims where task = $1"  # noqa: S608 - constants only
_FORGET_RESULTS = f"""
update task_claims set result = null
where state = 'done' and result is not null and done_at < now() - interval '{RESULT_KEPT_HOURS} hours'
"""  # noqa: S608 - constants only
_FORGET_ORIGINS = f"""
delete from task_claims where state = 'done' and done_at < now() - interval '{ORIGIN_KEPT_DAYS} days'
"""  # noqa: S608 - constants only


class PostgresClaimStore:
    """The port `ClaimStore` on PostgreSQL. `writer` is the spool's writer id, which outlives a restart."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], writer: str) -> None:
        self._pool = pool
        self._writer = writer
        self._concluding = BatchedWrites("concluded claims", self._conclude, gather_s=_CONCLUDE_GATHER_S)
        self._finishing = BatchedWrites("finished claims", self._finish, gather_s=_FINISH_GATHER_S)

    async def claim(self, claims: Sequence[Claim]) -> list[Standing | None]:
        """Claim all in one round trip; a second one only where something stood there before."""
        with database_errors():
            if await self._insert(claims) == len(claims):
                return [None] * len(claims)
            standing = await self._find([claim.origin for claim in claims])
        found = [standing[claim.origin] for claim in claims]
        return [
            None if one.task == claim.task and one.state is ClaimState.CLAIMED else one
            for claim, one in zip(claims, found, strict=True)
        ]

    def conclude(self, task: str, result: TaskResult, outcome: Outcome | None) -> Awaitable[None]:
        """Store the result, and the outcome that is still to be recorded, and delete the body."""
        return self._concluding.put((task, encode_result(result), None if outcome is None else encode_outcome(outcome)))

    async def finish(self, task: str) -> None:
        """The result is sent: forget the outcome, keep the result for a repeat."""
        self._finishing.add(task)

    async def settled(self) -> None:
        """Return once every claim that was finished is stored as such."""
        await self._finishing.settled()

    async def count_attempt(self, task: str) -> int:
        """Count that the task runs once more, and give the new number of attempts."""
        with database_errors():
            return int(await self._pool.fetchval(_COUNT_ATTEMPT, task))

    async def find(self, task: str) -> Standing:
        """How the claim of `task` stands now."""
        with database_errors():
            row = await self._pool.fetchrow(_BY_TASK, task)
        if row is None:
            raise MetaQoreError("claim_not_found", "There is no claim of this task.", kind=ErrorKind.NOT_FOUND)
        return _standing(row)

    async def unfinished(self) -> list[Standing]:
        """What this writer claimed and has not finished, oldest first."""
        with database_errors():
            rows = await self._pool.fetch(_UNFINISHED, self._writer)
        return [_standing(row) for row in rows]

    async def forget_old(self) -> None:
        """Drop results after 24 hours, and after 30 days that the event was seen."""
        await self._pool.execute(_FORGET_RESULTS)
        await self._pool.execute(_FORGET_ORIGINS)

    async def _insert(self, claims: Sequence[Claim]) -> int:
        """How many are ours now."""
        status = await self._pool.execute(
            _CLAIM,
            self._writer,
            [claim.origin.organization for claim in claims],
            [claim.origin.source for claim in claims],
            [claim.origin.event_id for claim in claims],
            [claim.task for claim in claims],
            [claim.caller.id for claim in claims],
            [claim.caller.name for claim in claims],
            [claim.reply_key for claim in claims],
            [encode_kept(claim.kept) for claim in claims],
        )
        return int(status.removeprefix("INSERT 0 "))

    async def _find(self, origins: Sequence[Origin]) -> dict[Origin, Standing]:
        rows = await self._pool.fetch(
            _FIND,
            [origin.organization for origin in origins],
            [origin.source for origin in origins],
            [origin.event_id for origin in origins],
        )
        return {standing.origin: standing for standing in map(_standing, rows)}

    async def _conclude(self, items: Sequence[tuple[str, bytes, bytes | None]]) -> None:
        tasks, results, outcomes = zip(*items, strict=True)
        await self._pool.execute(_CONCLUDE, tasks, results, outcomes)

    async def _finish(self, tasks: Sequence[str]) -> None:
        await self._pool.execute(_FINISH, tasks)


def _standing(row: asyncpg.Record) -> Standing:
    organization = row["organization"]
    return Standing(
        origin=Origin(organization, row["source"], row["event_id"]),
        task=row["task"],
        writer=row["writer"],
        state=ClaimState(row["state"]),
        caller=Caller(row["caller_id"], organization, row["caller_name"], frozenset()),
        reply_key=row["reply_key"],
        attempts=row["attempts"],
        kept=None if row["body"] is None else decode_kept(row["body"]),
        result=None if row["result"] is None else decode_result(row["result"]),
        outcome=None if row["outcome"] is None else decode_outcome(row["outcome"]),
    )
