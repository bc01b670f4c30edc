"""Whatever commands come in whatever order: what holds for an artifact all along."""

import itertools
from dataclasses import replace
from typing import get_args

from artifact_lives import (
    ACTIVE,
    ANN,
    BLOCKS,
    BOB,
    CONTENT,
    DRAFT,
    EVE,
    FLEXIBLE,
    IVY,
    PROPOSED,
    STRICT,
    WARNED,
    WARNS,
    after,
    clash,
)
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import artifact_events as e
from metaqore_governance_core.psmp.activation import missing_approvals
from metaqore_governance_core.psmp.artifact import decide, replay
from metaqore_governance_core.psmp.artifact_evolve import evolve
from metaqore_governance_core.psmp.artifact_state import (
    FOLLOWING,
    Approval,
    Artifact,
    OpenConflict,
    Phase,
    Veto,
)
from metaqore_governance_core.psmp.canonical_state import state_bytes
from metaqore_governance_core.psmp.conflicts.model import Choice, Severity
from metaqore_governance_core.psmp.event_codec import decode, encode
from metaqore_governance_core.psmp.project import ApprovalRule, Mode, Project, ProjectPolicy, ProjectState
from metaqore_governance_core.psmp.refusal import PsmpRefusedError

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
