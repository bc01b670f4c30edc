import asyncio
import json
from dataclasses import replace

import pytest

from metaqore_ai_gateway.adapters.inbox import PostgresClaimStore
from metaqore_ai_gateway.adapters.inbox_codec import encode_result
from metaqore_ai_gateway.domain.claim import Claim, ClaimState, Origin
from metaqore_ai_gateway.domain.kept_task import KeptTask
from metaqore_ai_gateway.domain.outcome import Outcome, Usage
from metaqore_ai_gateway.domain.task_result import RequestName, ResultUsage, TaskResult, refusal
from metaqore_governance_core.contracts.tasks import TaskCompleted
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.residency import Locality
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.task import TaskState

RESULT = TaskResult(
    task="t1",
    organization="org_1",
    state=TaskState.DONE,
    receipt="r",
    receipt_token="token",
    model="m",
    attempts=1,
    request=RequestName("shop", "e1"),
    answer="hello",
    usage=ResultUsage(1, 2, 3),
)
ERROR = MetaQoreError("model_gone", "It is gone.", kind=ErrorKind.NOT_FOUND, retryable=True, reasons=("a", "b"))
OUTCOME = Outcome(
    task="t1",
    organization="org_1",
    receipt="r",
    decision="aa",
    state=TaskState.FAILED,
    attempts=2,
    duration_us=7,
    usage=Usage("stop", 1, 2),
    model="m",
    provider="local",
    locality=Locality.LOCAL,
    answer=Commitment("dd", "k", 5),
    error=ERROR,
)
KEPT = KeptTask(
    model="m",
    deadline_s=7.5,
    label=Sensitivity.INTERNAL,
    project="p",
    findings={"email": 2},
    scanner_failed=False,
    prompt=Commitment("dd", "k", 5),
    body={
        "model": "m",
        "messages": [{"role": "user", "content": "h\u00e9 \N{GRINNING FACE}"}],
        "seed": 2**64 - 1,
        "top_p": 0.1,
    },
)
CALLER = Caller("key_1", "org_1", "agent", frozenset())


def claim(task: str, event: str = "e1", organization: str = "org_1") -> Claim:
    return Claim(Origin(organization, "shop", event), task, CALLER, b"reply", KEPT)


@pytest.fixture
def store(pool):
    return PostgresClaimStore(pool, "writer-1")


async def test_a_new_event_is_claimed_with_what_is_kept_of_it(store):
    assert await store.claim([claim("t1"), claim("t2", "e2")]) == [None, None]
    first, second = await store.unfinished()
    assert (first.task, first.state, first.kept, first.attempts) == ("t1", ClaimState.CLAIMED, KEPT, 1)
    assert (first.caller, first.reply_key, second.task) == (CALLER, b"reply", "t2")


async def test_what_an_older_version_kept_is_not_read_and_does_no_harm(store, pool):
    await store.claim([claim("t1")])
    await pool.execute("update task_claims set body = $1", b'{"prompt":"hi"}')
    (standing,) = await store.unfinished()
    assert (standing.task, standing.kept) == ("t1", None)


async def test_an_event_that_comes_again_gets_what_stands(store):
    await store.claim([claim("t1")])
    again, new = await store.claim([claim("t9"), claim("t2", "e2")])
    assert (again.task, again.writer, again.state, new) == ("t1", "writer-1", ClaimState.CLAIMED, None)


async def test_an_event_twice_in_one_batch_is_claimed_once(store):
    first, second = await store.claim([claim("t1"), claim("t2")])
    assert first is None
    assert second.task == "t1"


async def test_the_same_event_of_another_organization_is_another(store):
    await store.claim([claim("t1")])
    assert await store.claim([claim("t2", organization="org_2")]) == [None]


async def test_of_two_gateways_one_claims(store, pool):
    other = PostgresClaimStore(pool, "writer-2")
    events = [f"e{number}" for number in range(50)]
    mine, theirs = await asyncio.gather(
        store.claim([claim(f"a{event}", event) for event in events]),
        other.claim([claim(f"b{event}", event) for event in reversed(events)]),
    )
    assert mine.count(None) + theirs.count(None) == len(events)


async def test_a_conclusion_keeps_the_result_and_deletes_the_body(store, pool):
    await store.claim([claim("t1")])
    await store.conclude("t1", RESULT, OUTCOME)
    (standing,) = await store.unfinished()
    assert (standing.state, standing.result) == (ClaimState.CONCLUDED, RESULT)
    assert replace(standing.outcome, error=None) == replace(OUTCOME, error=None)
    assert vars(standing.outcome.error) == vars(ERROR)
    assert standing.outcome.error.args == ERROR.args
    assert await pool.fetchval("select body from task_claims") is None


async def test_concluding_again_changes_nothing(store):
    await store.claim([claim("t1")])
    await store.conclude("t1", RESULT, OUTCOME)
    await store.conclude("t1", replace(RESULT, answer="other"), None)
    standing = await store.find("t1")
    assert (standing.result, standing.outcome.task) == (RESULT, "t1")


async def test_a_finished_claim_keeps_its_result_for_a_repeat(store):
    await store.claim([claim("t1")])
    await store.conclude("t1", RESULT, OUTCOME)
    await store.finish("t1")
    await store.settled()
    assert await store.unfinished() == []
    (standing,) = await store.claim([claim("t2")])
    assert (standing.task, standing.state, standing.result) == ("t1", ClaimState.DONE, RESULT)


async def test_a_claim_that_is_over_is_not_ours_again(store):
    await store.claim([claim("t1")])
    await store.conclude("t1", RESULT, OUTCOME)
    (standing,) = await store.claim([claim("t1")])
    assert (standing.task, standing.state) == ("t1", ClaimState.CONCLUDED)


async def test_a_claim_is_not_finished_before_it_is_concluded(store):
    await store.claim([claim("t1")])
    await store.finish("t1")
    await store.settled()
    assert [standing.state for standing in await store.unfinished()] == [ClaimState.CLAIMED]


async def test_a_writer_sees_its_own_unfinished_claims_only(store, pool):
    await store.claim([claim("t1")])
    assert await PostgresClaimStore(pool, "writer-2").unfinished() == []


async def test_attempts_are_counted(store):
    await store.claim([claim("t1")])
    assert await store.count_attempt("t1") == 2
    assert [standing.attempts for standing in await store.unfinished()] == [2]


async def test_a_day_later_the_result_is_forgotten_and_much_later_the_event(store, pool):
    await store.claim([claim("t1")])
    await store.conclude("t1", RESULT, OUTCOME)
    await store.finish("t1")
    await store.settled()
    await pool.execute("update task_claims set done_at = now() - interval '25 hours'")
    await store.forget_old()
    (standing,) = await store.claim([claim("t2")])
    assert (standing.state, standing.result) == (ClaimState.DONE, None)
    await pool.execute("update task_claims set done_at = now() - interval '31 days'")
    await store.forget_old()
    assert await store.claim([claim("t3")]) == [None]


async def test_no_database_means_no_claim(pool):
    store = PostgresClaimStore(pool, "writer-1")
    await pool.close()
    with pytest.raises(MetaQoreError) as refused:
        await store.claim([claim("t1")])
    assert (refused.value.code, refused.value.retryable) == ("database_unavailable", True)


async def test_an_outage_delays_a_conclusion_and_does_not_lose_it(store, pool):
    await store.claim([claim(f"t{number}", f"e{number}") for number in range(20)])
    blocker = await pool.acquire()
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("lock table task_claims")
    waiting = [asyncio.ensure_future(store.conclude(f"t{number}", RESULT, None)) for number in range(20)]
    await asyncio.sleep(0.1)
    await blocker.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> $1",
        await blocker.fetchval("select pg_backend_pid()"),
    )
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in waiting)
    await transaction.rollback()
    await pool.release(blocker)
    await asyncio.gather(*waiting)
    assert {standing.state for standing in await store.unfinished()} == {ClaimState.CONCLUDED}


def test_a_result_is_what_the_contract_says():
    refused = refusal(ERROR, RequestName("shop", "e1"))
    for result in (RESULT, refused):
        assert json.loads(TaskCompleted.model_validate_json(encode_result(result)).model_dump_json()) == json.loads(
            encode_result(result)
        )
