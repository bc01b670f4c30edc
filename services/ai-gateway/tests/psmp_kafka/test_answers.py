"""Answers to commands as they travel."""

from metaqore_ai_gateway.adapters.psmp_answers import MAX_ANSWER_BYTES, encode_within
from metaqore_governance_core.contracts.psmp import CommandAnswered


def test_an_answer_that_is_too_large_is_shortened():
    party = {"artifact": "a", "version": 1, "by": "ann", "declares": "x" * 500}
    conflict = {
        "id": "c", "type": "path_same", "severity": "blocking", "key": "a", "parties": [party] * 50,
        "clashing": [party] * 2, "suggestion": "merge", "explanation": "y" * 500,
    }  # fmt: skip
    whole = CommandAnswered.model_validate(
        {
            "name": "artifact.propose", "organization": "acme", "project": "p", "state": "done", "dry_run": False,
            "receipt": "r", "receipt_token": "t", "project_version": 9, "error": None,
            "changes": [{"aggregate": "artifact", "id": f"a{number}", "revision": 1} for number in range(1000)],
            "conflicts": [conflict] * 1000, "request": {"source": "s", "id": "1"},
        }
    )  # fmt: skip
    told = CommandAnswered.model_validate_json(value := encode_within(whole, MAX_ANSWER_BYTES))
    assert len(value) <= MAX_ANSWER_BYTES
    assert (len(told.changes), told.receipt) == (1000, "r")
    assert 0 < len(told.conflicts) < 1000
    assert len(told.conflicts[0].parties) == 2
    bare = CommandAnswered.model_validate_json(encode_within(whole, 0))
    assert (bare.state, bare.receipt, bare.changes, bare.conflicts) == ("done", "r", [], [])
