"""What a writer knows is the fold of what it wrote."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_records import WRITER, command, decision, leaf_of, outcome

from metaqore_governance_core.records import Numbers
from metaqore_governance_core.writer_state import OpenDecision, RecordOutOfOrderError, WriterState, evolve

# What a writer does next: decide a task of one of three organizations, end one of the open ones, decide a command.
steps = st.lists(
    st.tuples(
        st.sampled_from(["org_1", "org_2", "org_3"]), st.sampled_from(["decide", "end", "command"]), st.integers(0, 9)
    ),
    max_size=30,
)


def write(steps):
    """The records that a writer writes, each with the state after it."""
    state, opened, history = WriterState(), [], []
    for organization, does, choice in steps:
        if does == "end" and opened:
            of = opened.pop(choice % len(opened))
            numbers = state.numbers(WRITER, of.organization)
            record = outcome(numbers.sequence, of, numbers.organization_sequence)
        elif does == "command":
            numbers = state.numbers(WRITER, organization)
            record = command(numbers.sequence, numbers.organization_sequence, organization)
        else:
            numbers = state.numbers(WRITER, organization)
            record = decision(numbers.sequence, numbers.organization_sequence, organization, f"task-{numbers.sequence}")
            opened.append(record)
        state = evolve(state, record, leaf_of(record))
        history.append((record, state))
    return history


def fold(history, state=None):
    state = state or WriterState()
    for record, _ in history:
        state = evolve(state, record, leaf_of(record))
    return state


@given(steps)
def test_sequences_have_no_gaps_overall_and_in_each_organization(steps):
    records = [record for record, _ in write(steps)]
    assert [record.sequence for record in records] == list(range(1, len(records) + 1))
    for organization in {record.organization for record in records}:
        numbers = [record.organization_sequence for record in records if record.organization == organization]
        assert numbers == list(range(1, len(numbers) + 1))


@given(steps, st.integers(0, 30))
def test_a_prefix_and_the_rest_give_the_whole(steps, cut):
    history = write(steps)
    assert fold(history[cut:], fold(history[:cut])) == fold(history)


@given(steps)
def test_it_survives_a_snapshot(steps):
    for _, state in write(steps):
        assert WriterState.from_json(state.to_json()) == state


@given(steps)
def test_what_is_open_is_decided_and_not_ended(steps):
    history = write(steps)
    state = fold(history)
    records = [record for record, _ in history]
    ended = {record.task for record in records if record.kind == "outcome"}
    decided = {record.task: record for record in records if record.kind == "decision"}
    assert set(state.open) == set(decided) - ended
    for task, opened in state.open.items():
        assert opened.leaf_hash == leaf_of(decided[task])
        assert opened.receipt == decided[task].receipt


@given(steps)
def test_evolve_leaves_the_state_before_as_it_was(steps):
    history = write(steps)
    state = WriterState()
    for record, after in history:
        before = state.copy()
        assert evolve(state, record, leaf_of(record)) == after
        assert state == before
        state = after


def test_an_open_decision_holds_what_its_outcome_needs():
    record = decision(1, verdict="deny")
    assert evolve(WriterState(), record, "leaf").open == {
        "task-1": OpenDecision(
            door="rest",
            leaf_hash="leaf",
            model="smollm2-135m",
            organization="org_1",
            policy_version="0123456789abcdef",
            reasons=("allowpath_allowed",),
            receipt="receipt-of-task-1",
            time_us=record.time_us,
            verdict="deny",
        )
    }


@pytest.mark.parametrize("verdict", ["permit", "deny"])
def test_a_command_opens_nothing(verdict):
    state = evolve(WriterState(), command(1, verdict=verdict), "leaf")
    assert (state.open, state.next_sequence, state.organization_sequences) == ({}, 2, {"org_1": 1})


def test_the_first_numbers_are_one():
    assert WriterState().numbers(WRITER, "org_1") == Numbers(organization_sequence=1, sequence=1, writer=WRITER)


FIRST = decision(1)
SECOND = decision(2, task="task-2")


@pytest.mark.parametrize(
    ("given", "when", "code"),
    [
        pytest.param([], decision(2), "sequence_gap", id="a record is missing"),
        pytest.param([FIRST], FIRST, "sequence_gap", id="a record comes twice"),
        pytest.param([FIRST], decision(2, 3, task="t"), "organization_sequence_gap", id="its organization misses one"),
        pytest.param([FIRST], decision(2, 2, "org_2", "t"), "organization_sequence_gap", id="another starts at two"),
        pytest.param([FIRST], command(3, 2), "sequence_gap", id="a command leaves one out"),
        pytest.param([FIRST], command(2, 1), "organization_sequence_gap", id="a command repeats a number"),
        pytest.param([command(1)], command(1), "sequence_gap", id="a command comes twice"),
        pytest.param([FIRST], decision(2), "decision_repeated", id="a second decision"),
        pytest.param([FIRST], outcome(2, SECOND), "outcome_without_decision", id="an outcome of nothing"),
        pytest.param([FIRST, outcome(2, FIRST)], outcome(3, FIRST), "outcome_without_decision", id="a second outcome"),
        pytest.param(
            [FIRST], replace(outcome(2, FIRST), decision="00"), "outcome_without_decision", id="of another decision"
        ),
        pytest.param(
            [FIRST],
            replace(outcome(2, FIRST), organization="org_2", organization_sequence=1),
            "outcome_without_decision",
            id="in another organization",
        ),
    ],
)
def test_what_does_not_follow_is_refused_and_changes_nothing(given, when, code):
    state = WriterState()
    for record in given:
        state.apply(record, leaf_of(record))
    before = state.copy()
    with pytest.raises(RecordOutOfOrderError) as refused:
        state.apply(when, leaf_of(when))
    assert refused.value.code == code
    assert state == before
