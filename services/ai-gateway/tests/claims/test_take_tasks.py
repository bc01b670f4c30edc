import asyncio

import pytest

from metaqore_ai_gateway.domain.claim import ClaimState
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.task import TaskState


def away(code):
    return MetaQoreError(code, "away", kind=ErrorKind.UNAVAILABLE, retryable=True)


async def test_an_event_that_comes_again_after_its_end_gets_its_result_again(world, life):
    one = world()
    gateway = one.gateway(life)
    await gateway.take([one.submission()])
    await gateway.take.drain(5)
    await gateway.take([one.submission()])
    await gateway.take.drain(5)
    first, again = one.durable.results
    assert first == again
    assert len(one.durable.records) == 2
    assert one.durable.calls == 1


async def test_an_event_that_comes_again_while_it_runs_is_not_run_twice(world, life):
    one = world()
    gateway = one.gateway(life)
    await gateway.take([one.submission(), one.submission()])
    await gateway.take([one.submission()])
    await gateway.take.drain(5)
    assert len(one.durable.results) == 1
    assert one.durable.calls == 1


async def test_a_result_that_was_forgotten_is_not_sent_again_nor_the_task_run(world, life):
    one = world()
    gateway = one.gateway(life)
    await gateway.take([one.submission()])
    await gateway.take.drain(5)
    one.forget_results()
    await gateway.take([one.submission()])
    await gateway.take.drain(5)
    assert len(one.durable.results) == 1


async def test_what_another_writer_claimed_is_left_to_it(world, life):
    one = world()
    gateway = one.gateway(life)
    one.claimed_by("another")
    await gateway.take([one.submission()])
    await gateway.take.drain(5)
    assert one.durable.records == one.durable.results == []


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        pytest.param(None, "missing_api_key", id="no key"),
        pytest.param("Basic abc", "missing_api_key", id="another scheme"),
        pytest.param("Bearer mq_wrong", "invalid_api_key", id="an unknown key"),
    ],
)
async def test_a_task_without_a_good_key_is_answered_and_neither_claimed_nor_recorded(world, life, authorization, code):
    one = world()
    await one.gateway(life).take([one.submission(authorization)])
    ((result, reply_key),) = one.durable.results
    assert (result.error.code, result.state, result.receipt, reply_key) == (code, TaskState.FAILED, "", b"reply")
    assert [error.code for error in one.refused] == [code]
    assert "mq_wrong" not in repr(result)
    assert (one.durable.records, one.durable.claims) == ([], {})


async def test_a_key_needs_the_scope(world, life):
    one = world(scopes={"tasks:read"})
    await one.gateway(life).take([one.submission()])
    assert [result.error.code for result, _ in one.durable.results] == ["missing_scope"]


async def test_an_unknown_model_is_answered_and_not_claimed(world, life):
    one = world(b'{"prompt":"hi","model":"none"}')
    await one.gateway(life).take([one.submission()])
    assert [result.error.code for result, _ in one.durable.results] == ["model_not_found"]
    assert one.durable.claims == {}


async def test_a_model_that_is_gone_when_the_claim_is_resumed_ends_the_claim(world):
    one = world(b'{"prompt":"hi","model":"other"}', models=("m", "other"))
    await one.live(5)
    one.models = ("m",)
    await one.live()
    ((result, _),) = one.durable.results
    assert (result.error.code, one.durable.records) == ("model_not_found", [])
    assert [claim.state for claim in one.durable.claims.values()] == [ClaimState.DONE]


@pytest.mark.parametrize("fails", ["decision", "outcome"])
async def test_a_full_spool_delays_a_task_and_does_not_lose_it(world, life, fails):
    one = world()
    gateway = one.gateway(life)
    if fails == "decision":
        gateway.spool.faults.append(away("spool_full"))
    else:
        life.on("before storing the result", lambda: gateway.spool.faults.append(away("spool_full")))
    await gateway.take([one.submission()])
    await gateway.take.drain(5)
    assert [record.kind for record in one.durable.records] == ["decision", "outcome"]
    assert [result.state for result, _ in one.durable.results] == [TaskState.DONE]
    assert one.durable.calls == 1


async def test_a_broker_that_is_away_delays_a_result(world, life):
    one = world()
    gateway = one.gateway(life)
    gateway.results.faults.append(away("broker_unavailable"))
    await gateway.take([one.submission()])
    await gateway.take.drain(5)
    assert [result.state for result, _ in one.durable.results] == [TaskState.DONE]
    assert (len(one.durable.records), one.durable.calls) == (2, 1)


async def test_a_decision_whose_claim_is_gone_is_interrupted_at_start(world):
    one = world()
    await one.live(8)
    one.durable.claims.clear()
    one.durable.acknowledged = True
    await one.live()
    assert [record.kind for record in one.durable.records] == ["decision", "outcome"]
    assert (one.durable.records[1].state, one.durable.records[1].error) == ("interrupted", "claim_lost")


async def test_no_more_are_worked_on_than_the_limit_and_a_batch(world, life):
    one = world()
    gateway = one.gateway(life)
    most = 0
    for batch in range(10):
        await gateway.take([one.submission(event=f"e{batch}-{number}") for number in range(5)])
        most = max(most, gateway.take.working)
    await gateway.take.drain(5)
    assert most <= 10 + 5
    assert len(one.durable.results) == 50


async def test_what_does_not_end_in_a_drain_is_left_open_and_run_again(world, life):
    one = world()
    gateway = one.gateway(life)
    life.on("before calling the model", life.hang.set)
    await gateway.take([one.submission()])
    await gateway.take.drain(0.05)
    assert gateway.take.working == 0
    assert [record.kind for record in one.durable.records] == ["decision"]
    one.durable.acknowledged = True
    await one.live()
    assert [record.kind for record in one.durable.records] == ["decision", "outcome"]
    assert [(result.state, result.attempts) for result, _ in one.durable.results] == [(TaskState.DONE, 2)]


async def test_a_record_that_does_not_become_durable_does_not_keep_a_drain(world, life):
    one = world()
    gateway = one.gateway(life)
    life.on("before recording the outcome", life.hang.set)
    await gateway.take([one.submission()])
    async with asyncio.timeout(10):
        await gateway.take.drain(0.05)
    assert one.durable.results == []
