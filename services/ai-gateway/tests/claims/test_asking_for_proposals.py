"""A task from Kafka may ask that the files in its answer be proposed; that outlives a crash."""

import json

import pytest

from metaqore_ai_gateway.adapters.inbox_codec import decode_kept, encode_kept
from metaqore_ai_gateway.domain.kept_task import restore
from metaqore_ai_gateway.domain.task_request import TaskDefaults, read_task
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Scope

ASKING = b'{"prompt":"hi","propose_files":true}'
DEFAULTS = TaskDefaults("m", 30.0, 60.0)


@pytest.mark.parametrize(
    ("value", "asks"),
    [(ASKING, True), (b'{"prompt":"hi","propose_files":false}', False), (b'{"prompt":"hi"}', False)],
)
def test_the_event_says_whether_it_asks(value, asks):
    assert read_task(value, "t", DEFAULTS).envelope.propose_files is asks


@pytest.mark.parametrize("value", [b'{"prompt":"hi","propose_files":1}', b'{"prompt":"hi","propose_files":"true"}'])
def test_it_is_true_or_false(value):
    with pytest.raises(MetaQoreError, match="propose_files"):
        read_task(value, "t", DEFAULTS)


async def test_a_claim_keeps_it_over_a_crash(world):
    one = world(ASKING)
    await one.live(2)  # claimed, and not decided
    (claim,) = one.durable.claims.values()
    kept = decode_kept(encode_kept(claim.kept))
    task, _ = restore(kept, claim.task)
    assert task.envelope.propose_files


def test_a_claim_of_an_older_gateway_asks_for_nothing():
    prompt = {"digest": "a", "key_id": "k", "size_bytes": 1}
    older = {
        "model": "m", "deadline_s": 30.0, "label": None, "project": None, "findings": {}, "scanner_failed": False,
        "prompt": prompt, "body": {},
    }  # fmt: skip
    kept = decode_kept(json.dumps(older).encode())
    assert kept is not None
    assert not kept.propose_files


@pytest.mark.parametrize(("value", "state"), [(ASKING, "failed"), (b'{"prompt":"hi"}', "done")])
async def test_who_may_not_write_to_psmp_may_not_ask_for_it(world, value, state):
    one = world(value, scopes={Scope.TASKS_SUBMIT})
    await one.live()
    [(result, _)] = one.durable.results
    assert (result.state, result.error and result.error.code) == (state, "missing_scope" if state == "failed" else None)
