"""Lives of an artifact for the tests of its decider: who is there, what clashes, and what came so far."""

from dataclasses import replace

from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact import decide
from metaqore_governance_core.psmp.artifact_evolve import evolve
from metaqore_governance_core.psmp.artifact_state import (
    Artifact,
    Body,
    Content,
)
from metaqore_governance_core.psmp.conflicts.model import Choice, ConflictType, Party, Severity, make_conflict
from metaqore_governance_core.psmp.project import ApprovalRule, Mode, Project, ProjectPolicy, ProjectState

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
AMENDED = (DRAFT, c.Amend(BOB, 2, 1, replace(CONTENT, paths=("b.txt",))), c.Propose(ANN, 2, 1, ()))
CARRIED = (c.Draft(EVE, 1, "org", "garden", "mine", CONTENT, frozenset({"bob"})), c.Propose(EVE, 2, 1, ()))
