import pytest

from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact_state import (
    Approval,
    Artifact,
    Body,
    Content,
    OpenConflict,
    Phase,
    Version,
    Veto,
)
from metaqore_governance_core.psmp.blocking_report import Cause, WayOut, blocking_report
from metaqore_governance_core.psmp.conflicts.model import Choice, ConflictType, Party, Severity, make_conflict
from metaqore_governance_core.psmp.project import ApprovalRule, Mode, Project, ProjectPolicy, ProjectState
from metaqore_governance_core.psmp.refusal import PsmpRefusedError
from metaqore_governance_core.psmp.resolution import Standing, Step, possible_choices, resolution_steps
from metaqore_governance_core.psmp.work import Work, WorkState

EVE = Actor("eve")
MINE, THEIRS, THIRD = (
    Party(name, number, by, "x") for name, number, by in (("mine", 2, "ann"), ("theirs", 5, "bob"), ("third", 1, "ivy"))
)


def clash(type_=ConflictType.PATH_SAME, severity=Severity.BLOCKING, parties=(MINE, THEIRS)):
    return make_conflict(
        type_, severity, "key", parties=parties, clashing=parties, suggestion=Choice.MERGE, explanation="They clash."
    )


ACTIVE = (Standing(THEIRS, Phase.ACTIVE),)
WHY = f"by eve, {clash().id}"


@pytest.mark.parametrize(
    ("choice", "steps"),
    [
        pytest.param(
            Choice.KEEP_EXISTING, (Step("mine", 2, "reject", f"keep_existing {WHY}"),), id="what stands, stays"
        ),
        pytest.param(
            Choice.TAKE_INCOMING, (Step("theirs", 5, "deprecate", f"take_incoming {WHY}"),), id="or makes way"
        ),
        pytest.param(
            Choice.SUPERSEDE,
            (
                Step("mine", 2, "reject", f"supersede {WHY}"),
                Step("theirs", 6, "draft", f"supersede {WHY}", ("theirs@5", "mine@2")),
            ),
            id="or goes on under its own name",
        ),
        pytest.param(
            Choice.MERGE,
            (
                Step("mine", 2, "reject", f"merge {WHY}"),
                Step("theirs", 6, "draft", f"merge {WHY}", ("theirs@5", "mine@2")),
            ),
            id="or both become one",
        ),
        pytest.param(Choice.MANUAL, (), id="or a person changes it"),
    ],
)
def test_what_a_choice_does(choice, steps):
    assert resolution_steps(clash(), MINE, ACTIVE, choice, EVE) == steps


def test_a_proposal_that_stands_in_the_way_is_rejected():
    (step,) = resolution_steps(clash(), MINE, (Standing(THEIRS, Phase.PROPOSED),), Choice.TAKE_INCOMING, EVE)
    assert step.verb == "reject"


@pytest.mark.parametrize(
    ("conflict", "standing", "choice", "code"),
    [
        pytest.param(
            clash(ConflictType.PYTHON_VERSIONS), ACTIVE, Choice.MERGE, "merge_impossible", id="versions do not merge"
        ),
        pytest.param(
            clash(parties=(MINE, THEIRS, THIRD)),
            (*ACTIVE, Standing(THIRD, Phase.ACTIVE)),
            Choice.SUPERSEDE,
            "supersede_ambiguous",
            id="nobody succeeds two",
        ),
        pytest.param(clash(parties=(THEIRS, THIRD)), ACTIVE, Choice.MANUAL, "conflict_other", id="no party to it"),
        pytest.param(clash(), (), Choice.MERGE, "conflict_gone", id="nobody is left to merge with"),
    ],
)
def test_what_does_not_fit(conflict, standing, choice, code):
    with pytest.raises(PsmpRefusedError) as refused:
        resolution_steps(conflict, MINE, standing, choice, EVE)
    assert refused.value.code == code


def test_only_what_fits_is_offered_and_the_suggestion_first():
    assert possible_choices(clash())[0] is Choice.MERGE
    assert Choice.MERGE not in possible_choices(clash(ConflictType.PYTHON_VERSIONS))
    assert set(possible_choices(clash(parties=(MINE,)))) == {Choice.KEEP_EXISTING, Choice.MANUAL}


def version(phase, **fields):
    content = Content(Body("d", "k", "text/plain", 1))
    return Version(
        **{"number": 1, "content": content, "phase": phase, "since_us": 5, "drafted_by": "ann", "proposed_by": "ann"}
        | fields
    )


def report(*versions, policy=None, mode=Mode.STRICT, tasks=()):
    project = Project(ProjectState.OPEN, name="garden", mode=mode, policy=policy or ProjectPolicy())
    artifacts = [Artifact("org", "garden", f"n{at}", versions=(one,)) for at, one in enumerate(versions)]
    return blocking_report(project, artifacts, tasks, now_us=100)


def test_a_conflict_is_told_with_who_can_end_it_how():
    (item,) = report(version(Phase.BLOCKED, conflicts=(OpenConflict(clash(), 7),)))
    assert (item.item, item.cause, item.since_us) == ("artifact n0 v1", Cause.CONFLICT, 7)
    assert item.why == "They clash."
    resolve, why = f"metaqore conflict resolve {clash().id}", '--for n0@1 --why "…"'
    assert WayOut(f"{resolve} keep_existing {why}", "who may resolve, but not bob") in item.ways_out
    assert WayOut(f"{resolve} take_incoming {why}", "who may resolve, but not ann") in item.ways_out


def test_vetoes_approvals_and_what_only_waits():
    policy = ProjectPolicy(approvals=(ApprovalRule("reviewer", 2),))
    vetoed = version(Phase.PROPOSED, vetoes=(Veto("eve", "no", 6),), approvals=(Approval("reviewer", "ivy", 6),))
    by_cause = {item.cause: item for item in report(vetoed, policy=policy)}
    assert by_cause[Cause.VETO].ways_out == (
        WayOut('metaqore artifact lift-veto n0@1 --project garden --why "…"', "eve"),
    )
    assert by_cause[Cause.APPROVALS].why == "It needs 1 more approval of role reviewer."
    assert by_cause[Cause.APPROVALS].ways_out[0].command == (
        "metaqore artifact approve n0@1 --project garden --role reviewer"
    )
    (waiting,) = report(version(Phase.PROPOSED), mode=Mode.FLEXIBLE)
    assert [way.command for way in waiting.ways_out] == [
        "metaqore artifact activate n0@1 --project garden",
        'metaqore artifact activate n0@1 --project garden --own --why "…"',
    ]


def test_a_way_out_can_be_pasted_whatever_the_names_are():
    project = Project(ProjectState.OPEN, name="the garden; rm x")
    (item,) = blocking_report(project, [Artifact(name="a b.md", versions=(version(Phase.PROPOSED),))], (), 100)
    assert item.ways_out[0].command == "metaqore artifact activate 'a b.md@1' --project 'the garden; rm x'"


def test_what_moves_is_not_told():
    assert report(*(version(phase) for phase in Phase if phase not in {Phase.PROPOSED, Phase.BLOCKED})) == ()


def test_tasks_whose_agent_is_gone_and_the_longest_first():
    tasks = [
        Work(WorkState.CLAIMED, "t1", holder="ann", lease_until_us=50),
        Work(WorkState.CLAIMED, "t2", holder="ann", lease_until_us=101),
        Work(WorkState.INTERRUPTED, "t3", error="lease_expired", since_us=20),
        Work(WorkState.RUNNING, "t4"),
    ]
    assert [(item.item, item.cause) for item in report(tasks=tasks)] == [
        ("task t3", Cause.INTERRUPTED),
        ("task t1", Cause.LEASE),
    ]


def test_a_frozen_project_is_told():
    project = Project(ProjectState.FROZEN, name="garden", since_us=3)
    (item,) = blocking_report(project, (), (), now_us=9)
    assert (item.item, item.cause, item.since_us) == ("project garden", Cause.FROZEN, 3)
