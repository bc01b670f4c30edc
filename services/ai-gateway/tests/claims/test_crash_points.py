"""Whatever step is the last, the next life ends with one decision, one outcome, and the result sent."""

import pytest

from metaqore_ai_gateway.domain.claim import ClaimState
from metaqore_governance_core.allowpaths import Effect, Rule
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.task import TaskState

FAILURE = MetaQoreError("provider_failed", "It broke.", kind=ErrorKind.UNAVAILABLE)
CASES = {
    "answered": (b'{"prompt":"hi"}', None, TaskState.DONE),
    "denied": (b'{"prompt":"AKIA"}', None, TaskState.DENIED),
    "failed": (b'{"prompt":"hi"}', FAILURE, TaskState.FAILED),
}


def check(durable, *states):
    kinds = [record.kind for record in durable.records]
    assert kinds == ["decision", "outcome"]
    decision, outcome = durable.records
    assert outcome.decision == f"{decision.sequence:02x}"
    assert outcome.receipt == decision.receipt
    assert outcome.state in states
    (claim,) = durable.claims.values()
    assert (claim.state, claim.kept) == (ClaimState.DONE, None)
    assert durable.results
    for result, reply_key in durable.results:
        assert (result.state, result.receipt, result.attempts) == (outcome.state, decision.receipt, outcome.attempts)
        assert (reply_key, result.request.id, result.task) == (b"reply", "e1", outcome.task)
        assert (result.answer == "hello") == (result.state is TaskState.DONE)
        assert (result.error is None) == (result.state is TaskState.DONE)


@pytest.mark.parametrize("case", CASES)
async def test_a_whole_life(world, case):
    value, error, state = CASES[case]
    one = world(value, error)
    life = await one.live()
    check(one.durable, state)
    assert len(one.durable.results) == 1
    assert life.names.count("after sending the result") == 1
    assert one.durable.calls == (0 if state is TaskState.DENIED else 1)


@pytest.mark.parametrize("case", CASES)
async def test_a_crash_at_every_point(world, case):
    value, error, state = CASES[case]
    points = (await world(value, error).live()).steps
    assert points > 10
    for last in range(points):
        one = world(value, error)
        crashed = await one.live(last)
        assert crashed.names[-1] == crashed.names[last]
        await one.live()
        check(one.durable, state)


async def test_two_crashes_at_every_pair_of_points(world):
    points = (await world().live()).steps
    for first in range(points):
        for second in range(points + 8):
            one = world()
            await one.live(first)
            await one.live(second)
            await one.live()
            check(one.durable, TaskState.DONE)
            assert one.durable.records[1].attempts <= 3


@pytest.mark.parametrize("case", CASES)
async def test_a_policy_that_changes_over_the_crash(world, case):
    value, error, state = CASES[case]
    points = (await world(value, error).live()).steps
    seen = set()
    for last in range(points):
        one = world(value, error)
        await one.live(last)
        one.rules = (*one.rules, Rule(Effect.FORBID, "mallory", "model.*", "generate"))
        await one.live()
        check(one.durable, state, TaskState.INTERRUPTED)
        seen.add(one.durable.results[-1][0].state)
    assert seen == ({state} if state is TaskState.DENIED else {state, TaskState.INTERRUPTED})
