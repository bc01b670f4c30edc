from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.task import (
    FINAL_STATES,
    POLICY_CHANGED,
    Begin,
    Begun,
    Cancel,
    Complete,
    Denied,
    Deny,
    Ended,
    Fail,
    Interrupt,
    Resume,
    Resumed,
    Task,
    TaskRefusedError,
    TaskState,
    decide,
    evolve,
    replay,
)

TASKS_PAGE = Path(__file__).resolve().parents[3] / "docs" / "tasks.md"
BEGUN = Begun("task-1", "org-1", "v1", None)
COMMANDS = {
    "Begin": Begin("task-1", "org-1", "v1"),
    "Deny": Deny("task-1", "org-1", "v1", "allowpath_missing"),
    "Resume, same policy": Resume("v1"),
    "Resume, other policy": Resume("v2"),
    "Complete": Complete(),
    "Fail": Fail("provider_unavailable"),
    "Interrupt": Interrupt("restarted"),
    "Cancel": Cancel(),
}
commands = st.sampled_from(list(COMMANDS.values()))


@pytest.mark.parametrize(
    ("given", "when", "then"),
    [
        pytest.param([], COMMANDS["Begin"], [BEGUN], id="a permit begins it"),
        pytest.param(
            [],
            Deny("task-1", "org-1", "v1", "allowpath_missing", "garden"),
            [Denied("task-1", "org-1", "v1", "garden", "allowpath_missing")],
            id="a denial ends it at once",
        ),
        pytest.param([BEGUN], Complete(), [Ended(TaskState.DONE)], id="a whole answer"),
        pytest.param([BEGUN], Fail("x"), [Ended(TaskState.FAILED, "x")], id="no answer"),
        pytest.param([BEGUN], Interrupt("x"), [Ended(TaskState.INTERRUPTED, "x")], id="cut off"),
        pytest.param([BEGUN], Cancel(), [Ended(TaskState.CANCELLED, "cancelled")], id="no longer wanted"),
        pytest.param([BEGUN], Resume("v1"), [Resumed()], id="again under the same decision"),
        pytest.param([BEGUN, Resumed()], Resume("v1"), [Resumed()], id="and again"),
        pytest.param(
            [BEGUN], Resume("v2"), [Ended(TaskState.INTERRUPTED, POLICY_CHANGED)], id="not under another policy"
        ),
    ],
)
def test_what_happens(given, when, then):
    assert decide(replay(given), when) == then


@pytest.mark.parametrize(
    ("given", "when", "code"),
    [
        pytest.param([], Complete(), "task_not_begun", id="no effect before the decision"),
        pytest.param([], Resume("v1"), "task_not_begun", id="nothing to resume"),
        pytest.param([BEGUN], COMMANDS["Begin"], "task_already_begun", id="one decision"),
        pytest.param([BEGUN], COMMANDS["Deny"], "task_already_begun", id="and it stands"),
        pytest.param([BEGUN, Ended(TaskState.DONE)], Complete(), "task_ended", id="one outcome"),
        pytest.param([Denied("t", "o", "v1", None, "r")], COMMANDS["Begin"], "task_ended", id="denied stays denied"),
    ],
)
def test_what_is_refused(given, when, code):
    with pytest.raises(TaskRefusedError) as refused:
        decide(replay(given), when)
    assert refused.value.code == code


def run(sequence):
    task, events = Task(), []
    for command in sequence:
        try:
            happened = decide(task, command)
        except TaskRefusedError:
            continue
        for event in happened:
            task = evolve(task, event)
        events.extend(happened)
    return task, events


@given(st.lists(commands))
def test_every_task_has_one_decision_and_at_most_one_end(sequence):
    task, events = run(sequence)
    begins = [event for event in events if isinstance(event, Begun | Denied)]
    ends = [event for event in events if isinstance(event, Ended | Denied)]
    assert len(begins) <= 1
    assert len(ends) <= 1
    assert events[:1] == begins
    assert bool(ends) == (task.state in FINAL_STATES)
    assert not ends or events[-1] == ends[0]


@given(st.lists(commands))
def test_the_state_is_the_fold_of_the_events(sequence):
    task, events = run(sequence)
    assert replay(events) == task
    for cut in range(len(events)):
        assert run_events(replay(events[:cut]), events[cut:]) == task


def run_events(task, events):
    for event in events:
        task = evolve(task, event)
    return task


@given(st.lists(commands))
def test_attempts_count_the_runs(sequence):
    task, events = run(sequence)
    assert task.attempts == sum(isinstance(event, Begun | Resumed) for event in events)


def test_a_begun_task_knows_what_it_is():
    task = replay([Begun("task-1", "org-1", "v1", "garden")])
    assert task == Task(TaskState.RUNNING, "task-1", "org-1", "garden", "v1", attempts=1)


def test_the_page_shows_the_table_of_the_code():
    page = TASKS_PAGE.read_text(encoding="utf-8")
    for line in table():
        assert line in page, "write this line into docs/tasks.md"


def table():
    """What each command does in each state, as the rows of a Markdown table."""
    states = {"no decision yet": Task()} | {
        state.value: Task(state, "task-1", "org-1", policy_version="v1", attempts=1) for state in TaskState
    }
    yield f"| command | {' | '.join(states)} |"
    for name, command in COMMANDS.items():
        yield f"| {name} | {' | '.join(cell(task, command) for task in states.values())} |"


def cell(task, command):
    try:
        (event,) = decide(task, command)
    except TaskRefusedError as refused:
        return f"`{refused.code}`"
    after = evolve(task, event)
    return f"{after.state}, attempt {after.attempts}" if isinstance(event, Resumed) else str(after.state)
