import itertools

import pytest

from metaqore_ai_gateway.domain.claim import ClaimState
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.domain.resumption import (
    Deny,
    Facts,
    Interrupt,
    RecordStoredOutcome,
    RestoreResult,
    Run,
    RunAgain,
    SendResult,
    next_step,
)
from metaqore_governance_core.task import TaskState
from metaqore_governance_core.writer_state import OpenDecision

CLAIMED, CONCLUDED, DONE = ClaimState.CLAIMED, ClaimState.CONCLUDED, ClaimState.DONE


def decision(verdict="permit", policy_version="now"):
    return OpenDecision(
        door="kafka",
        leaf_hash="aa",
        model="m",
        organization="org_1",
        policy_version=policy_version,
        reasons=(),
        receipt="r",
        time_us=1,
        verdict=verdict,
    )


PERMITTED, DENIED = decision(), decision("deny")
OF_OLD, DENIED_OF_OLD = decision(policy_version="before"), decision("deny", "before")
ENDED = Outcome("t", "org_1", "r", "aa", TaskState.CANCELLED, 1, 5)

TABLE = [
    pytest.param(CLAIMED, None, None, Run(), id="claimed, nothing recorded"),
    pytest.param(CLAIMED, PERMITTED, None, RunAgain(PERMITTED), id="claimed and permitted"),
    pytest.param(CLAIMED, OF_OLD, None, Interrupt(OF_OLD), id="permitted by a policy of old"),
    pytest.param(CLAIMED, DENIED, None, Deny(DENIED), id="denied"),
    pytest.param(CLAIMED, DENIED_OF_OLD, None, Deny(DENIED_OF_OLD), id="a denial outlives its policy"),
    pytest.param(CLAIMED, PERMITTED, ENDED, RestoreResult(ENDED), id="ended without a stored result"),
    pytest.param(CLAIMED, OF_OLD, ENDED, RestoreResult(ENDED), id="the same, of old"),
    pytest.param(CLAIMED, DENIED, ENDED, RestoreResult(ENDED), id="the same, denied"),
    pytest.param(CLAIMED, DENIED_OF_OLD, ENDED, RestoreResult(ENDED), id="the same, denied of old"),
    pytest.param(CLAIMED, None, ENDED, RestoreResult(ENDED), id="only the outcome is known"),
    pytest.param(CONCLUDED, PERMITTED, None, RecordStoredOutcome(), id="the outcome is not recorded"),
    pytest.param(CONCLUDED, DENIED, None, RecordStoredOutcome(), id="nor that of a denial"),
    pytest.param(CONCLUDED, OF_OLD, None, RecordStoredOutcome(), id="an end outlives its policy"),
    pytest.param(CONCLUDED, DENIED_OF_OLD, None, RecordStoredOutcome(), id="so does that of a denial"),
    *(
        pytest.param(CONCLUDED, given, ENDED, SendResult(), id=f"recorded: only sending is left {number}")
        for number, given in enumerate([None, PERMITTED, DENIED, OF_OLD, DENIED_OF_OLD])
    ),
    pytest.param(CONCLUDED, None, None, SendResult(), id="refused before a decision, or no longer open"),
    *(
        pytest.param(DONE, given, recorded, SendResult(), id=f"done is sent again {number}")
        for number, (given, recorded) in enumerate(
            itertools.product([None, PERMITTED, DENIED, OF_OLD, DENIED_OF_OLD], [None, ENDED])
        )
    ),
]


@pytest.mark.parametrize(("state", "given", "recorded", "then"), TABLE)
def test_what_is_done(state, given, recorded, then):
    assert next_step(Facts(state, given, recorded, "now")) == then


def test_the_table_holds_every_combination():
    every = itertools.product(ClaimState, [None, PERMITTED, DENIED, OF_OLD, DENIED_OF_OLD], [None, ENDED])
    assert sorted(map(repr, every)) == sorted(repr(tuple(param.values[:3])) for param in TABLE)
