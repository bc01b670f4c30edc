"""A whole log checked offline: what fits, and where it does not."""

from dataclasses import replace

import pytest

from metaqore_cli.log_check import LogCheck
from metaqore_governance_core.checkpoints import Checkpoint
from metaqore_governance_core.merkle import leaf_hash, root
from task_records import command, decision, outcome, raw

FIRST = decision("a", 1)
SECOND = decision("b", 2)
LOG = [FIRST, SECOND, outcome("a", 3, FIRST), outcome("b", 4, SECOND)]


def checked(records, checkpoint=None):
    check = LogCheck()
    lines = [record if isinstance(record, bytes) else raw(record) for record in records]
    for line in lines:
        check.add(line)
    check.finish(checkpoint or Checkpoint("mesh/org_1", len(lines), root([leaf_hash(line) for line in lines])))
    return check


def test_a_whole_log_fits():
    check = checked(LOG)
    assert check.faults == []
    assert (check.records, check.receipts, check.without_outcome) == (4, 2, 0)


def test_an_empty_log_fits():
    assert checked([]).faults == []


def test_a_task_that_still_runs_is_no_fault():
    check = checked(LOG[:3])
    assert (check.faults, check.without_outcome) == ([], 1)


def test_an_outcome_whose_decision_is_gone_hides_no_task_that_runs():
    assert checked([outcome("a", 1, FIRST)]).without_outcome == 0
    assert checked([SECOND, LOG[2]]).without_outcome == 1


def test_a_command_is_no_task_without_outcome():
    check = checked([FIRST, command(2), outcome("a", 3, FIRST), command(4)])
    assert (check.faults, check.records, check.receipts, check.without_outcome) == ([], 4, 3, 0)


def test_two_writers_each_have_their_own_numbers():
    other = decision("c", 1, writer="gw-2")
    assert checked([FIRST, other, outcome("a", 2, FIRST), outcome("c", 2, other, writer="gw-2")]).faults == []


@pytest.mark.parametrize(
    ("records", "code", "index"),
    [
        pytest.param([LOG[0], LOG[2], LOG[3]], "organization_sequence_gap", 1, id="a record is missing"),
        pytest.param([LOG[1], LOG[0], *LOG[2:]], "organization_sequence_gap", 0, id="two are swapped"),
        pytest.param([FIRST, decision("a", 2)], "second_decision", 1, id="a task is decided twice"),
        pytest.param([*LOG, outcome("a", 5, FIRST)], "second_outcome", 4, id="a task ends twice"),
        pytest.param([FIRST, outcome("x", 2, FIRST)], "outcome_without_decision", 1, id="an outcome of nothing"),
        pytest.param(
            [FIRST, replace(LOG[2], organization_sequence=2, receipt="r-b")], "receipt_mismatch", 1, id="receipt"
        ),
        pytest.param(
            [FIRST, outcome("a", 1, FIRST, writer="gw-2")], "foreign_outcome", 1, id="another writer's outcome"
        ),
        pytest.param([FIRST, command(3)], "organization_sequence_gap", 1, id="a record before a command is missing"),
        pytest.param([FIRST, b"{}"], "record_invalid", 1, id="what is no record"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(records, code, index):
    assert (code, index) in [(fault.code, fault.index) for fault in checked(records).faults]


def test_a_changed_record_does_not_hash_to_the_signed_root():
    signed = Checkpoint("mesh/org_1", 4, root([leaf_hash(raw(record)) for record in LOG]))
    changed = [replace(FIRST, sensitivity="CRITICAL"), *LOG[1:]]
    assert "root_mismatch" in [fault.code for fault in checked(changed, signed).faults]


def test_a_cut_log_does_not_fit_the_checkpoints_size():
    signed = Checkpoint("mesh/org_1", 4, root([leaf_hash(raw(record)) for record in LOG]))
    assert [fault.code for fault in checked(LOG[:3], signed).faults] == ["size_mismatch"]


def test_a_record_of_another_organization_is_named():
    strange = replace(FIRST, organization="org_2")
    assert ("other_organization", 0) in {(fault.code, fault.index) for fault in checked([strange]).faults}
