"""A text that holds a credential, or that nobody could scan, is not stored; its task ends all the same, once."""

import pytest

from metaqore_ai_gateway.domain.claim import ClaimState
from metaqore_governance_core.task import TaskState

CREDENTIAL = b'{"prompt":"use AKIA","project":"AKIA-too","sensitivity":"INTERNAL"}'
UNKNOWN = b'{"prompt":"BREAK the scanner"}'


def stored(one):
    """What is stored of the task."""
    return repr((one.durable.claims, [claim.kept and claim.kept.body for claim in one.durable.claims.values()]))


@pytest.mark.parametrize("value", [CREDENTIAL, UNKNOWN])
async def test_it_is_in_no_claim_at_any_time(world, life, value):
    one = world(value)
    gateway = one.gateway(life)
    seen = []
    for step in ("after claiming", "after recording the decision", "before storing the result", "after finishing"):
        life.on(step, lambda: seen.append(stored(one)))
    await gateway.take([one.submission()])
    await gateway.take.drain(5)
    assert len(seen) == 4
    assert "AKIA" not in str(seen)
    assert "BREAK" not in str(seen)


async def test_a_denial_after_a_crash_is_the_denial_before_it(world):
    whole, crashed = world(CREDENTIAL), world(CREDENTIAL)
    await whole.live()
    await crashed.live(2)  # claimed, and not decided
    assert crashed.durable.records == []
    (claim,) = crashed.durable.claims.values()
    assert (claim.state, claim.kept.body, claim.kept.findings) == (
        ClaimState.CLAIMED,
        None,
        {"credential.aws_access_key": 1},
    )
    await crashed.live()
    (first, first_outcome), (second, second_outcome) = whole.durable.records, crashed.durable.records
    for name in ("findings", "prompt", "reasons", "sensitivity", "sensitivity_sources", "verdict", "project", "model"):
        assert getattr(first, name) == getattr(second, name)
    assert first.project is None
    assert (first_outcome.state, second_outcome.state) == ("denied", "denied")
    assert [result.error for result, _ in whole.durable.results] == [r.error for r, _ in crashed.durable.results]


async def test_a_text_that_could_not_be_scanned_runs_from_memory(world):
    one = world(UNKNOWN)
    await one.live()
    decision, outcome = one.durable.records
    assert (decision.sensitivity, decision.sensitivity_sources) == ("CRITICAL", ("scanner:failed",))
    assert (outcome.state, one.durable.calls) == ("done", 1)


async def test_and_is_interrupted_by_a_crash_once_whatever_the_last_step(world):
    points = (await world(UNKNOWN).live()).steps
    seen = set()
    for last in range(points):
        one = world(UNKNOWN)
        await one.live(last)
        await one.live()
        assert [record.kind for record in one.durable.records] == ["decision", "outcome"]
        (claim,) = one.durable.claims.values()
        assert claim.state is ClaimState.DONE
        codes = {None if result.error is None else result.error.code for result, _ in one.durable.results}
        assert codes in ({None}, {"text_not_kept"})
        seen |= {result.state for result, _ in one.durable.results}
    assert seen == {TaskState.DONE, TaskState.INTERRUPTED}


async def test_an_unknown_model_is_not_repeated_to_the_asker(world, life):
    one = world(b'{"prompt":"hi","model":"AKIA"}')
    await one.gateway(life).take([one.submission()])
    ((result, _),) = one.durable.results
    assert (result.error.code, result.model) == ("model_not_found", "")


async def test_a_claim_of_an_older_version_ends_with_an_error(world):
    one = world()
    one.claimed_by("writer-1")
    one.durable.acknowledged = True
    await one.live()
    ((result, _),) = one.durable.results
    assert (result.error.code, one.durable.records) == ("claim_unreadable", [])
