import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.psmp import project as p
from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.refusal import PsmpRefusedError

ANN = Actor("ann")
CREATED = p.ProjectCreated("ann", 1, "id", "org", "garden", p.Mode.STRICT, p.ProjectPolicy())
FROZEN = p.ProjectFrozen("ann", 2, "release")


@pytest.mark.parametrize(
    ("given_", "when", "then"),
    [
        pytest.param([], p.Create(ANN, 1, "id", "org", "garden"), [CREATED], id="a project begins strict"),
        pytest.param([CREATED], p.Freeze(ANN, 2, "release"), [FROZEN], id="is frozen"),
        pytest.param(
            [CREATED, FROZEN], p.Unfreeze(ANN, 3, "out"), [p.ProjectUnfrozen("ann", 3, "out")], id="and open again"
        ),
        pytest.param(
            [CREATED],
            p.SetMode(ANN, 2, p.Mode.FLEXIBLE, "a sketch"),
            [p.ModeSet("ann", 2, p.Mode.FLEXIBLE, "a sketch")],
            id="the mode has its own event",
        ),
        pytest.param(
            [CREATED, FROZEN], p.Archive(ANN, 3, "over", ()), [p.ProjectArchived("ann", 3, "over")], id="ends"
        ),
    ],
)
def test_what_happens(given_, when, then):
    assert p.decide(p.replay(given_), when) == then


@pytest.mark.parametrize(
    ("given_", "when", "code"),
    [
        pytest.param([], p.Freeze(ANN, 1, "x"), "project_missing", id="nothing is there yet"),
        pytest.param([CREATED], p.Create(ANN, 2, "id", "org", "garden"), "project_exists", id="once"),
        pytest.param([CREATED], p.Unfreeze(ANN, 2, "x"), "wrong_project_state", id="not frozen"),
        pytest.param([CREATED], p.SetMode(ANN, 2, p.Mode.STRICT, "x"), "mode_unchanged", id="strict already"),
        pytest.param([CREATED], p.Archive(ANN, 2, "x", ("task 7",)), "project_not_empty", id="something is open"),
        pytest.param(
            [CREATED, p.ProjectArchived("ann", 2, "x")],
            p.Unfreeze(ANN, 3, "x"),
            "project_archived",
            id="final is final",
        ),
    ],
)
def test_what_is_refused(given_, when, code):
    with pytest.raises(PsmpRefusedError) as refused:
        p.decide(p.replay(given_), when)
    assert refused.value.code == code


def test_an_approval_rule_asks_for_somebody():
    with pytest.raises(PsmpRefusedError):
        p.ApprovalRule("reviewer", 0)


COMMANDS = st.sampled_from(
    [
        p.Create(ANN, 1, "id", "org", "garden"),
        p.Freeze(ANN, 1, "x"),
        p.Unfreeze(ANN, 1, "x"),
        p.SetMode(ANN, 1, p.Mode.FLEXIBLE, "x"),
        p.Archive(ANN, 1, "x", ()),
    ]
)


@given(st.lists(COMMANDS))
def test_an_archived_project_never_changes(commands):
    project, archived = p.Project(), None
    for command in commands:
        try:
            events = p.decide(project, command)
        except PsmpRefusedError:
            continue
        assert archived is None
        for event in events:
            project = p.evolve(project, event)
        archived = project if project.state is p.ProjectState.ARCHIVED else None
