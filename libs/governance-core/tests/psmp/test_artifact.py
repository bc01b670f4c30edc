"""What happens to an artifact and what is refused; then what must hold for every sequence of commands."""

import itertools
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.errors import ErrorKind
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import artifact_events as e
from metaqore_governance_core.psmp.activation import missing_approvals
from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact import decide, replay
from metaqore_governance_core.psmp.artifact_evolve import evolve
from metaqore_governance_core.psmp.artifact_state import (
    FOLLOWING,
    Approval,
    Artifact,
    Body,
    Content,
    OpenConflict,
    Phase,
    Veto,
)
from metaqore_governance_core.psmp.canonical_state import state_bytes
from metaqore_governance_core.psmp.conflicts.model import Choice, ConflictType, Party, Severity, make_conflict
from metaqore_governance_core.psmp.event_codec import decode, encode
from metaqore_governance_core.psmp.project import ApprovalRule, Mode, Project, ProjectPolicy, ProjectState
from metaqore_governance_core.psmp.refusal import PsmpRefusedError

ANN, BOB, EVE = Actor("ann"), Actor("bob"), Actor("eve", frozenset({"reviewer"}))
IVY = Actor("ivy", frozenset({"reviewer"}))
CONTENT = Content(Body("d" * 64, "key-1", "text/plain", 3), paths=("a.txt",))
STRICT = Project(ProjectState.OPEN, policy=ProjectPolicy(veto_roles=frozenset({"reviewer"})))
FLEXIBLE = replace(STRICT, mode=Mode.FLEXIBLE)
TWO_REVIEWERS = ProjectPolicy(approvals=(ApprovalRule("reviewer", 2),))


def clash(severity, key="numpy"):
    mine, theirs = Party("mine", 1, "ann", "numpy<2"), Party("theirs", 1, "bob", "numpy>=2")
    return make_conflict(
        ConflictType.PYTHON_VERSIONS,
        severity,
        key,
        parties=(mine, theirs),
        clashing=(mine, theirs),
        suggestion=Choice.MANUAL,
        explanation=f"No {key} suits both ann and bob.",
    )


BLOCKS, WARNS = clash(Severity.BLOCKING), clash(Severity.WARNING)
DRAFT = c.Draft(ANN, 1, "org", "garden", "mine", CONTENT)


def after(*commands, project=STRICT):
    """The artifact and its events after `commands`, of which none may be refused."""
    artifact, happened = Artifact(), []
    for command in commands:
        events = decide(artifact, command, project)
        happened += events
        for event in events:
            artifact = evolve(artifact, event)
    return artifact, happened


PROPOSED = (DRAFT, c.Propose(ANN, 2, 1, ()))
BLOCKED = (DRAFT, c.Propose(ANN, 2, 1, (BLOCKS,)))
WARNED = (DRAFT, c.Propose(ANN, 2, 1, (WARNS,)))
ACTIVE = (*PROPOSED, c.Activate(BOB, 3, 1, ()))
CARRIED = (c.Draft(EVE, 1, "org", "garden", "mine", CONTENT, frozenset({"bob"})), c.Propose(EVE, 2, 1, ()))


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


ACTORS = st.sampled_from([ANN, BOB, EVE, IVY])
NUMBERS = st.sampled_from([1, 1, 1, 2, 2, 3])
TIMES = st.integers(0, 30)
FOUND = st.sampled_from([(), (), (), (BLOCKS,), (WARNS,), (BLOCKS, WARNS), (clash(Severity.BLOCKING, "react"),)])
WHY = st.sampled_from(["why", "why", "why", ""])


def version_command(class_, **fields):
    return st.builds(class_, ACTORS, TIMES, NUMBERS, **fields)


COMMANDS = st.one_of(
    *[st.builds(c.Draft, ACTORS, TIMES, *map(st.just, ("org", "garden", "mine", CONTENT)))] * 2,
    st.builds(c.Retire, ACTORS, TIMES, WHY),
    *(version_command(one, conflicts=FOUND) for one in (c.Propose, c.Propose, c.Rejudge, c.Activate) * 2),
    *(
        version_command(one, conflicts=FOUND, why=WHY)
        for one in (c.ActivateOverWarning, c.ActivateOwn, c.ProposeAndActivate) * 3
    ),
    *(
        version_command(one, why=WHY)
        for one in (c.Reject, c.Withdraw, c.Deprecate, c.Archive, c.EraseBody, c.LayVeto, c.LiftVeto)
    ),
    version_command(
        c.Resolve, conflict=st.sampled_from([BLOCKS.id, WARNS.id]), choice=st.sampled_from(Choice), why=WHY
    ),
    version_command(c.Approve, role=st.just("reviewer")),
    version_command(c.Lapse),
)
PROJECTS = st.builds(
    Project,
    st.sampled_from([*[ProjectState.OPEN] * 7, *ProjectState, None]),
    mode=st.sampled_from(Mode),
    policy=st.builds(
        ProjectPolicy,
        approvals=st.sampled_from([(), (ApprovalRule("reviewer", 1),)]),
        veto_roles=st.just(frozenset({"reviewer"})),
        may_activate_own=st.booleans(),
        may_resolve_own=st.booleans(),
        proposal_ttl_us=st.sampled_from([None, 10]),
    ),
)


def run(steps):
    """Each command that is not refused, with the artifact before it, its project and its events."""
    artifact = Artifact()
    for command, project in steps:
        try:
            happened = decide(artifact, command, project)
        except PsmpRefusedError:
            continue
        yield artifact, command, project, happened
        for event in happened:
            artifact = evolve(artifact, event)


SEQUENCES = st.builds(
    lambda begun, steps, project: [(command, project) for command in begun] + steps,
    st.sampled_from(
        [(), (DRAFT,), (DRAFT, DRAFT), PROPOSED, WARNED, (*PROPOSED, DRAFT, c.Propose(BOB, 2, 2, ())), ACTIVE]
    ),
    st.lists(st.tuples(COMMANDS, PROJECTS | st.sampled_from([STRICT, FLEXIBLE, FLEXIBLE])), min_size=8, max_size=25),
    st.sampled_from([STRICT, FLEXIBLE]),
)


@given(SEQUENCES)
def test_no_path_skips_a_phase_and_never_are_two_active(steps):
    for artifact, _, _, happened in run(steps):
        before = artifact
        for event in happened:
            now = evolve(before, event)
            phases = [version.phase for version in before.versions] + [None]
            for old, version in zip(phases, now.versions, strict=False):
                assert old is version.phase or version.phase in FOLLOWING[old]
            assert sum(version.phase is Phase.ACTIVE for version in now.versions) <= 1
            before = now


@given(SEQUENCES)
def test_no_mode_passes_a_blocking_conflict_a_veto_or_a_missing_approval(steps):
    for artifact, command, project, happened in run(steps):
        if any(isinstance(event, e.Activations) for event in happened):
            version = artifact.versions[command.version - 1]
            assert not version.blocking
            assert not any(one.blocks for one in command.conflicts)
            assert not version.vetoes
            assert not missing_approvals(version, project)
            assert project.state is ProjectState.OPEN
            assert project.mode is Mode.FLEXIBLE or isinstance(command, c.Activate)


@given(SEQUENCES)
def test_blocked_is_what_stands_in_a_blocking_conflict(steps):
    for artifact, _, _, happened in run(steps):
        now = artifact
        for event in happened:
            now = evolve(now, event)
        for version in now.versions:
            if version.phase in {Phase.PROPOSED, Phase.BLOCKED}:
                assert (version.phase is Phase.BLOCKED) == bool(version.blocking)


@given(SEQUENCES)
def test_the_fold_gives_the_same_bytes_also_from_what_is_stored(steps):
    ran = list(run(steps))
    happened = [event for _, _, _, events in ran for event in events]
    state = replay(happened)
    assert state_bytes(replay(happened)) == state_bytes(state)
    assert [decode(encode(event)) for event in happened] == happened
    for cut, event in enumerate(happened):
        assert evolve(replay(happened[:cut]), event) == replay(happened[: cut + 1])


def every_activation():
    """Every phase, conflict, veto, approval, mode, policy, actor and command, each with each."""
    whole, _ = after(*PROPOSED)
    approved = (Approval("reviewer", "eve", 3),)
    for phase, standing, vetoed, given_, found, mode, asked, own, by in itertools.product(
        Phase,
        [(), (OpenConflict(WARNS, 2),), (OpenConflict(BLOCKS, 2),)],
        [(), (Veto("eve", "no", 3),)],
        [(), approved],
        [(), (WARNS,), (BLOCKS,), (BLOCKS, WARNS)],
        Mode,
        [(), (ApprovalRule("reviewer", 1),)],
        [True, False],
        [ANN, BOB],
    ):
        fields = {"phase": phase, "conflicts": standing, "vetoes": vetoed, "approvals": given_}
        artifact = replace(whole, versions=(replace(whole.versions[0], **fields),))
        project = Project(ProjectState.OPEN, mode=mode, policy=ProjectPolicy(approvals=asked, may_activate_own=own))
        for command in (
            c.Activate(by, 4, 1, found),
            c.ActivateOverWarning(by, 4, 1, found, "why"),
            c.ActivateOwn(by, 4, 1, found, "why"),
            c.ProposeAndActivate(by, 4, 1, found, "why"),
        ):
            yield artifact.versions[0], command, project, artifact


def test_of_all_activations_there_are_only_the_right_ones_happen():
    happened = set()
    for version, command, project, artifact in every_activation():
        try:
            (*_, event) = decide(artifact, command, project)
        except PsmpRefusedError:
            continue
        happened.add(type(event))
        assert version.phase is (Phase.DRAFT if isinstance(command, c.ProposeAndActivate) else Phase.PROPOSED)
        assert not any(one.blocks for one in command.conflicts)
        assert not version.vetoes
        assert not missing_approvals(version, project)
        assert project.mode is Mode.FLEXIBLE or type(event) is e.Activated
        assert WARNS not in command.conflicts or type(event) is e.ActivatedOverWarning
        own = isinstance(event, e.ActivatedOwn | e.ProposedAndActivated) or project.policy.may_activate_own
        assert own or command.by is not ANN
    assert happened == set(get_args(e.Activations))
