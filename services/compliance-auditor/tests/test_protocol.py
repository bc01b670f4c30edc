"""The life of a task in the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_compliance_auditor.domain.groups import Facts, Leaf
from metaqore_compliance_auditor.domain.protocol import BREACHES, walk

HASH = bytes(32)


def decision(writer="gw-alpha", receipt="r"):
    return Leaf(b"", HASH, Facts("decision", "org", 1, receipt, 1, "task", 0, writer))


def outcome(writer="gw-alpha", receipt="r", names="00" * 32):
    return Leaf(b"", bytes(31) + b"o", Facts("outcome", "org", 2, receipt, 2, "task", 0, writer, names))


def command(receipt="r"):
    return Leaf(b"", bytes(31) + b"c", Facts("command", "org", 3, receipt, 3, None, 0, "gw-alpha"))


@pytest.mark.parametrize(
    ("records", "found"),
    [
        pytest.param([decision()], [], id="a task that runs"),
        pytest.param([decision(), outcome()], [], id="a task that has ended"),
        pytest.param([command(), command("s")], [], id="commands, which are no tasks"),
        pytest.param([command(), decision(), command(), outcome()], [], id="commands around a task"),
        pytest.param([decision(), decision()], ["second_decision"], id="two decisions"),
        pytest.param([decision(), outcome(), outcome()], ["second_outcome"], id="two outcomes"),
        pytest.param([outcome()], ["outcome_without_decision"], id="an outcome alone"),
        pytest.param([outcome(), decision()], ["outcome_without_decision", "decision_after_outcome"], id="reversed"),
        pytest.param([decision(), outcome(names="ab" * 32)], ["decision_mismatch"], id="another decision's outcome"),
        pytest.param([decision(), outcome(writer="gw-beta")], ["foreign_outcome"], id="another writer's outcome"),
        pytest.param([decision(), outcome(receipt="s")], ["receipt_mismatch"], id="another receipt"),
    ],
)
def test_what_is_told(records, found):
    trails = {}
    assert [breach.code for record in records for breach in walk(trails, record)] == found


@given(st.lists(st.sampled_from([decision(), outcome(), decision("gw-beta"), outcome("gw-beta", "s", "ab" * 32)])))
def test_only_one_decision_and_its_outcome_go_untold(records):
    trails = {}
    quiet = [record for record in records if not list(walk(trails, record))]
    assert len(quiet) <= 2
    assert [record.facts.kind for record in quiet] == ["decision", "outcome"][: len(quiet)]
    assert {breach.code for record in records for breach in walk({}, record)} <= BREACHES
