"""What happens to an artifact, and what is refused."""

from dataclasses import replace

import pytest
from artifact_lives import (
    ACTIVE,
    AMENDED,
    ANN,
    BLOCKED,
    BLOCKS,
    BOB,
    CARRIED,
    CONTENT,
    DRAFT,
    EVE,
    FLEXIBLE,
    IVY,
    PROPOSED,
    STRICT,
    TWO_REVIEWERS,
    WARNED,
    WARNS,
    after,
)

from metaqore_governance_core.errors import ErrorKind
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import artifact_events as e
from metaqore_governance_core.psmp.activation import missing_approvals
from metaqore_governance_core.psmp.artifact import decide
from metaqore_governance_core.psmp.artifact_evolve import evolve
from metaqore_governance_core.psmp.conflicts.model import Choice
from metaqore_governance_core.psmp.project import ApprovalRule, ProjectPolicy, ProjectState
from metaqore_governance_core.psmp.refusal import PsmpRefusedError


@pytest.mark.parametrize(
    ("given_", "when", "then", "project"),
    [
        pytest.param(
            (DRAFT,), c.Propose(ANN, 2, 1, ()), [e.Proposed("ann", 2, 1, None)], STRICT, id="a draft is proposed"
        ),
        pytest.param(
            (DRAFT,),
            c.Propose(ANN, 2, 1, (BLOCKS,)),
            [e.Proposed("ann", 2, 1, None), e.ConflictFound("ann", 2, 1, BLOCKS), e.Blocked("ann", 2, 1)],
            STRICT,
            id="a conflict blocks it",
        ),
        pytest.param(
            (DRAFT,),
            c.Propose(ANN, 2, 1, (WARNS,)),
            [e.Proposed("ann", 2, 1, None), e.ConflictFound("ann", 2, 1, WARNS)],
            STRICT,
            id="a warning does not",
        ),
        pytest.param(
            BLOCKED,
            c.Rejudge(BOB, 3, 1, ()),
            [e.ConflictGone("bob", 3, 1, BLOCKS.id), e.Unblocked("bob", 3, 1)],
            STRICT,
            id="it is free by itself when the last conflict is gone",
        ),
        pytest.param(BLOCKED, c.Rejudge(BOB, 3, 1, (BLOCKS,)), [], STRICT, id="judged again, nothing new"),
        pytest.param(
            BLOCKED,
            c.Resolve(EVE, 3, 1, BLOCKS.id, Choice.MANUAL, "later"),
            [e.ResolutionChosen("eve", 3, 1, BLOCKS.id, Choice.MANUAL, "later")],
            STRICT,
            id="a choice does not end a blocking conflict",
        ),
        pytest.param(
            WARNED,
            c.Resolve(EVE, 3, 1, WARNS.id, Choice.MANUAL, "fine"),
            [e.WarningAcknowledged("eve", 3, 1, WARNS.id, Choice.MANUAL, "fine")],
            STRICT,
            id="somebody answers for a warning",
        ),
        pytest.param(
            (*WARNED, c.Resolve(EVE, 3, 1, WARNS.id, Choice.MANUAL, "fine")),
            c.Activate(BOB, 4, 1, (WARNS,)),
            [e.Activated("bob", 4, 1)],
            STRICT,
            id="and then it stops nothing, found again or not",
        ),
        pytest.param(
            (*ACTIVE, c.Draft(ANN, 4, "org", "garden", "mine", CONTENT), c.Propose(ANN, 5, 2, ())),
            c.Activate(BOB, 6, 2, ()),
            [e.Deprecated("bob", 6, 1, "version 2 takes its place", 2), e.Activated("bob", 6, 2)],
            STRICT,
            id="the former one is deprecated first",
        ),
        pytest.param(
            WARNED,
            c.ActivateOverWarning(BOB, 3, 1, (WARNS,), "npm nests it"),
            [e.ActivatedOverWarning("bob", 3, 1, (WARNS.id,), "npm nests it")],
            FLEXIBLE,
            id="flexible: over a warning",
        ),
        pytest.param(
            PROPOSED,
            c.ActivateOwn(ANN, 3, 1, (), "alone today"),
            [e.ActivatedOwn("ann", 3, 1, "alone today")],
            FLEXIBLE,
            id="flexible: one's own",
        ),
        pytest.param(
            (DRAFT,),
            c.ProposeAndActivate(ANN, 2, 1, (), "trivial"),
            [e.Proposed("ann", 2, 1, None), e.ProposedAndActivated("ann", 2, 1, "trivial")],
            FLEXIBLE,
            id="flexible: in one",
        ),
        pytest.param(
            ACTIVE,
            c.Retire(BOB, 9, "over"),
            [e.Deprecated("bob", 9, 1, "over"), e.Archived("bob", 9, 1, "over")],
            STRICT,
            id="retired through every state between",
        ),
        pytest.param(
            (*PROPOSED, c.Reject(BOB, 3, 1, "no")),
            c.EraseBody(EVE, 9, 1, "asked to"),
            [e.BodyErased("eve", 9, 1, "key-1", "asked to")],
            STRICT,
            id="a body can be erased at any time",
        ),
    ],
)
def test_what_happens(given_, when, then, project):
    artifact, _ = after(*given_, project=project)
    assert decide(artifact, when, project) == then


@pytest.mark.parametrize(
    ("given_", "when", "code", "project"),
    [
        pytest.param(BLOCKED, c.Activate(BOB, 3, 1, ()), "artifact_blocked", STRICT, id="blocked stays blocked"),
        pytest.param(
            PROPOSED, c.Activate(BOB, 3, 1, (BLOCKS,)), "artifact_blocked", STRICT, id="a conflict of just now"
        ),
        pytest.param(PROPOSED, c.Activate(ANN, 3, 1, ()), "own_proposal", STRICT, id="not one's own"),
        pytest.param(CARRIED, c.Activate(BOB, 3, 1, ()), "own_proposal", STRICT, id="nor one's own text by another"),
        pytest.param(CARRIED, c.Activate(EVE, 3, 1, ()), "own_proposal", STRICT, id="nor what one brought again"),
        pytest.param(CARRIED, c.Approve(BOB, 3, 1, "reviewer"), "own_proposal", STRICT, id="nor approved"),
        pytest.param(
            AMENDED, c.Activate(BOB, 3, 1, ()), "own_proposal", STRICT, id="nor what one declared for another"
        ),
        pytest.param(
            (c.Draft(EVE, 1, "org", "garden", "mine", CONTENT, frozenset({"bob"})), c.Propose(EVE, 2, 1, (WARNS,))),
            c.Resolve(BOB, 3, 1, WARNS.id, Choice.MANUAL, "fine"),
            "own_favour",
            STRICT,
            id="nor answered for",
        ),
        pytest.param(WARNED, c.Activate(BOB, 3, 1, (WARNS,)), "warnings_open", STRICT, id="somebody must answer first"),
        pytest.param((DRAFT,), c.Activate(BOB, 3, 1, ()), "wrong_phase", STRICT, id="nothing skips a phase"),
        pytest.param(PROPOSED, c.ActivateOwn(ANN, 3, 1, (), "why"), "mode_strict", STRICT, id="strict knows no own"),
        pytest.param(
            WARNED, c.ActivateOverWarning(BOB, 3, 1, (WARNS,), "why"), "mode_strict", STRICT, id="nor over a warning"
        ),
        pytest.param((DRAFT,), c.ProposeAndActivate(ANN, 3, 1, (), "why"), "mode_strict", STRICT, id="nor in one"),
        pytest.param(PROPOSED, c.ActivateOwn(ANN, 3, 1, (), " "), "reason_missing", FLEXIBLE, id="never without why"),
        pytest.param(PROPOSED, c.ActivateOwn(BOB, 3, 1, (), "why"), "not_own", FLEXIBLE, id="own means own"),
        pytest.param(
            (*PROPOSED, c.LayVeto(EVE, 3, 1, "no")),
            c.ActivateOwn(ANN, 4, 1, (), "why"),
            "vetoed",
            FLEXIBLE,
            id="a veto",
        ),
        pytest.param(
            (*PROPOSED, c.LayVeto(EVE, 3, 1, "no")),
            c.LiftVeto(IVY, 4, 1, "yes"),
            "veto_not_own",
            STRICT,
            id="is its layer's",
        ),
        pytest.param(PROPOSED, c.LayVeto(BOB, 3, 1, "no"), "role_missing", STRICT, id="a veto needs its role"),
        pytest.param(
            BLOCKED,
            c.Resolve(ANN, 3, 1, BLOCKS.id, Choice.TAKE_INCOMING, "mine"),
            "own_favour",
            STRICT,
            id="not for one's own proposal",
        ),
        pytest.param(
            BLOCKED,
            c.Resolve(BOB, 3, 1, BLOCKS.id, Choice.KEEP_EXISTING, "mine"),
            "own_favour",
            STRICT,
            id="nor for what one has standing",
        ),
        pytest.param(PROPOSED, c.Withdraw(ANN, 3, 1, "no"), "wrong_phase", STRICT, id="only a draft is withdrawn"),
        pytest.param(ACTIVE, c.Archive(BOB, 4, 1, "x"), "wrong_phase", STRICT, id="deprecated comes before archived"),
        pytest.param(
            (*PROPOSED, c.Reject(BOB, 3, 1, "no")),
            c.Rejudge(BOB, 4, 1, ()),
            "version_ended",
            STRICT,
            id="final is final",
        ),
        pytest.param(
            PROPOSED,
            c.Propose(ANN, 3, 1, ()),
            "project_frozen",
            replace(STRICT, state=ProjectState.FROZEN),
            id="frozen",
        ),
        pytest.param(
            (DRAFT,), c.Draft(ANN, 3, "org", "garden", "other", CONTENT), "artifact_other", STRICT, id="a name"
        ),
        pytest.param((), c.Propose(ANN, 3, 1, ()), "version_missing", STRICT, id="nothing is there yet"),
    ],
)
def test_what_is_refused(given_, when, code, project):
    artifact, _ = after(*given_, project=replace(project, state=ProjectState.OPEN))
    with pytest.raises(PsmpRefusedError) as refused:
        decide(artifact, when, project)
    assert refused.value.code == code
    assert refused.value.kind in {ErrorKind.PRECONDITION, ErrorKind.FORBIDDEN}


def test_a_refusal_explains_the_conflict():
    artifact, _ = after(*BLOCKED)
    with pytest.raises(PsmpRefusedError, match="No numpy suits both ann and bob"):
        decide(artifact, c.Activate(BOB, 3, 1, ()), STRICT)


def test_approvals_are_counted_by_role_and_person():
    project = replace(FLEXIBLE, policy=TWO_REVIEWERS)
    artifact, _ = after(*PROPOSED, c.Approve(EVE, 3, 1, "reviewer"), project=project)
    assert missing_approvals(artifact.versions[0], project) == (ApprovalRule("reviewer", 1),)
    for command, code in (
        (c.Approve(EVE, 4, 1, "reviewer"), "already_approved"),
        (c.Approve(BOB, 4, 1, "reviewer"), "role_missing"),
        (c.Approve(ANN, 4, 1, "reviewer"), "own_proposal"),
        (c.Activate(BOB, 4, 1, ()), "approvals_missing"),
        (c.ActivateOwn(ANN, 4, 1, (), "why"), "approvals_missing"),
    ):
        with pytest.raises(PsmpRefusedError) as refused:
            decide(artifact, command, project)
        assert refused.value.code == code
    artifact = evolve(artifact, *decide(artifact, c.Approve(IVY, 4, 1, "reviewer"), project))
    assert decide(artifact, c.Activate(BOB, 5, 1, ()), project) == [e.Activated("bob", 5, 1)]


def test_no_draft_goes_around_the_approvals():
    project = replace(FLEXIBLE, policy=TWO_REVIEWERS)
    artifact, _ = after(DRAFT, project=project)
    with pytest.raises(PsmpRefusedError) as refused:
        decide(artifact, c.ProposeAndActivate(ANN, 2, 1, (), "why"), project)
    assert refused.value.code == "approvals_missing"


def test_a_proposal_lapses_when_its_time_is_over():
    project = replace(STRICT, policy=ProjectPolicy(proposal_ttl_us=10))
    artifact, _ = after(*PROPOSED, project=project)
    assert artifact.versions[0].expires_us == 12
    with pytest.raises(PsmpRefusedError):
        decide(artifact, c.Lapse(BOB, 11, 1), project)
    with pytest.raises(PsmpRefusedError) as refused:
        decide(artifact, c.Activate(BOB, 12, 1, ()), project)
    assert refused.value.code == "proposal_lapsed"
    assert decide(artifact, c.Lapse(BOB, 12, 1), project) == [e.Lapsed("bob", 12, 1)]


def test_policy_may_allow_what_is_one_s_own():
    project = replace(STRICT, policy=ProjectPolicy(may_activate_own=True, may_resolve_own=True))
    artifact, _ = after(*PROPOSED, project=project)
    assert decide(artifact, c.Activate(ANN, 3, 1, ()), project) == [e.Activated("ann", 3, 1)]
    artifact, _ = after(*BLOCKED, project=project)
    assert decide(artifact, c.Resolve(ANN, 3, 1, BLOCKS.id, Choice.TAKE_INCOMING, "why"), project)


def test_an_erased_body_leaves_its_commitment():
    artifact, _ = after(*ACTIVE, c.EraseBody(EVE, 4, 1, "asked to"))
    assert artifact.versions[0].erased
    assert artifact.versions[0].content.body == CONTENT.body
    with pytest.raises(PsmpRefusedError, match="destroyed already"):
        decide(artifact, c.EraseBody(EVE, 5, 1, "again"), STRICT)
