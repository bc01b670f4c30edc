"""The tables of states and commands for the documentation, made by asking the deciders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypeVar

from metaqore_governance_core.psmp import artifact, artifact_evolve, project, work, work_evolve
from metaqore_governance_core.psmp import artifact_commands as commands
from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact_state import Artifact, Body, Content, OpenConflict, Phase, Version
from metaqore_governance_core.psmp.conflicts.model import Choice, ConflictType, Party, Severity, make_conflict
from metaqore_governance_core.psmp.project import Mode, Project, ProjectPolicy, ProjectState
from metaqore_governance_core.psmp.refusal import PsmpRefusedError
from metaqore_governance_core.psmp.work import Work, WorkState
from metaqore_governance_core.task import TaskState

_State = TypeVar("_State")
_Asked = TypeVar("_Asked")

_AUTHOR: Final = Actor("author")
_OTHER: Final = Actor("other", frozenset({"reviewer"}))
_CONTENT: Final = Content(Body("digest", "key", "text/plain", 1))
_PARTY: Final = Party("other", 1, "someone", "a declaration")


def _clash(severity: Severity) -> OpenConflict:
    found = make_conflict(
        ConflictType.PATH_SAME,
        severity,
        "key",
        parties=(_PARTY,),
        clashing=(_PARTY,),
        suggestion=Choice.MANUAL,
        explanation="They clash.",
    )
    return OpenConflict(found, 0)


_BLOCKING: Final = _clash(Severity.BLOCKING)
_WARNING: Final = _clash(Severity.WARNING)


def tables() -> str:
    """Every table, as the page shows them."""
    return "\n\n".join(
        f"### {title}\n\n" + "\n".join(rows)
        for title, rows in (
            ("Artifact, strict", _artifact_table(Mode.STRICT)),
            ("Artifact, flexible", _artifact_table(Mode.FLEXIBLE)),
            ("Task", _work_table()),
            ("Project", _project_table()),
        )
    )


def _artifact_table(mode: Mode) -> Iterator[str]:
    policy = ProjectPolicy(veto_roles=frozenset({"reviewer"}))
    governing = Project(ProjectState.OPEN, mode=mode, policy=policy)
    states: dict[str, Artifact] = {"none": Artifact()}
    for phase in Phase:
        standing = {Phase.BLOCKED: (_BLOCKING,), Phase.PROPOSED: (_WARNING,)}.get(phase, ())
        version = Version(1, _CONTENT, phase, 0, "author", "author", 10, standing)
        states[phase.value] = Artifact("org", "project", "name", versions=(version,))

    def answer(artifact_: Artifact, command: commands.Command) -> str:
        after = artifact_
        for event in artifact.decide(artifact_, command, governing):
            after = artifact_evolve.evolve(after, event)
        return after.versions[-1].phase.value

    yield from _rows(states, _artifact_commands(), answer)


def _artifact_commands() -> Mapping[str, commands.Command]:
    blocking, warning = (_BLOCKING.conflict,), (_WARNING.conflict,)
    return {
        "Draft": commands.Draft(_AUTHOR, 1, "org", "project", "name", _CONTENT),
        "Amend": commands.Amend(_AUTHOR, 1, 1, _CONTENT),
        "Describe": commands.Describe(_AUTHOR, 1, "words"),
        "Propose": commands.Propose(_AUTHOR, 1, 1, ()),
        "Propose, a conflict blocks": commands.Propose(_AUTHOR, 1, 1, blocking),
        "Rejudge, nothing found": commands.Rejudge(_OTHER, 1, 1, ()),
        "Rejudge, a conflict blocks": commands.Rejudge(_OTHER, 1, 1, blocking),
        "Resolve, a warning": commands.Resolve(_OTHER, 1, 1, warning[0].id, Choice.MANUAL, "why"),
        "Resolve, what blocks": commands.Resolve(_OTHER, 1, 1, blocking[0].id, Choice.KEEP_EXISTING, "why"),
        "Approve": commands.Approve(_OTHER, 1, 1, "reviewer"),
        "LayVeto": commands.LayVeto(_OTHER, 1, 1, "why"),
        "Activate": commands.Activate(_OTHER, 1, 1, ()),
        "Activate, own": commands.Activate(_AUTHOR, 1, 1, ()),
        "Activate, a warning open": commands.Activate(_OTHER, 1, 1, warning),
        "Activate, a conflict blocks": commands.Activate(_OTHER, 1, 1, blocking),
        "ActivateOverWarning": commands.ActivateOverWarning(_OTHER, 1, 1, warning, "why"),
        "ActivateOverWarning, a conflict blocks": commands.ActivateOverWarning(_OTHER, 1, 1, blocking, "why"),
        "ActivateOwn": commands.ActivateOwn(_AUTHOR, 1, 1, (), "why"),
        "ActivateOwn, a conflict blocks": commands.ActivateOwn(_AUTHOR, 1, 1, blocking, "why"),
        "ProposeAndActivate": commands.ProposeAndActivate(_AUTHOR, 1, 1, (), "why"),
        "ProposeAndActivate, a conflict blocks": commands.ProposeAndActivate(_AUTHOR, 1, 1, blocking, "why"),
        "Reject": commands.Reject(_OTHER, 1, 1, "why"),
        "Withdraw": commands.Withdraw(_AUTHOR, 1, 1, "why"),
        "Lapse, in time": commands.Lapse(_OTHER, 1, 1),
        "Lapse, time over": commands.Lapse(_OTHER, 11, 1),
        "Deprecate": commands.Deprecate(_OTHER, 1, 1, "why"),
        "Archive": commands.Archive(_OTHER, 1, 1, "why"),
        "Retire": commands.Retire(_OTHER, 1, "why"),
        "EraseBody": commands.EraseBody(_OTHER, 1, 1, "why"),
    }


def _work_table() -> Iterator[str]:
    held = {"holder": "author", "lease_until_us": 10}
    states = {"none": Work()} | {
        state.value: replace(
            Work(state, "task", "org", "project"),
            **(held if state in {WorkState.CLAIMED, WorkState.RUNNING} else {}),  # type: ignore[arg-type]
        )
        for state in WorkState
    }
    asked: dict[str, work.Command] = {
        "Open": work.Open(_AUTHOR, 1, "task", "org", "project", "title"),
        "Describe": work.Describe(_OTHER, 1, description="words"),
        "Describe, a new title": work.Describe(_OTHER, 1, title="another"),
        "Claim": work.Claim(_OTHER, 1, 5),
        "Claim, by its holder": work.Claim(_AUTHOR, 1, 5),
        "Claim, lease over": work.Claim(_OTHER, 11, 5),
        "Release": work.Release(_AUTHOR, 1),
        "Start": work.Start(_AUTHOR, 1),
        "Start, by another": work.Start(_OTHER, 1),
        "Complete": work.Complete(_AUTHOR, 1),
        "Fail": work.Fail(_AUTHOR, 1, "error"),
        "Cancel": work.Cancel(_OTHER, 1),
        "Expire, in time": work.Expire(_OTHER, 1),
        "Expire, lease over": work.Expire(_OTHER, 11),
        "SeeStarted": work.SeeStarted(_OTHER, 1, "task", "org", "project", denied=False),
        "SeeStarted, denied": work.SeeStarted(_OTHER, 1, "task", "org", "project", denied=True),
        "SeeEnded, done": work.SeeEnded(_OTHER, 1, TaskState.DONE),
        "SeeEnded, interrupted": work.SeeEnded(_OTHER, 1, TaskState.INTERRUPTED),
    }

    def answer(before: Work, command: work.Command) -> str:
        after = before
        for event in work.decide(before, command):
            after = work_evolve.evolve(after, event)
        return str(after.state)

    yield from _rows(states, asked, answer)


def _project_table() -> Iterator[str]:
    states = {"none": Project()} | {state.value: Project(state, "id", "org", "name") for state in ProjectState}
    asked: dict[str, project.Command] = {
        "Create": project.Create(_AUTHOR, 1, "id", "org", "name"),
        "Describe": project.Describe(_AUTHOR, 1, "words"),
        "Freeze": project.Freeze(_AUTHOR, 1, "why"),
        "Unfreeze": project.Unfreeze(_AUTHOR, 1, "why"),
        "SetMode": project.SetMode(_AUTHOR, 1, Mode.FLEXIBLE, "why"),
        "SetPolicy": project.SetPolicy(_AUTHOR, 1, ProjectPolicy(), "why"),
        "Archive": project.Archive(_AUTHOR, 1, "why", ()),
        "Archive, something is open": project.Archive(_AUTHOR, 1, "why", ("artifact name",)),
    }

    def answer(before: Project, command: project.Command) -> str:
        after = before
        for event in project.decide(before, command):
            after = project.evolve(after, event)
        return str(after.state)

    yield from _rows(states, asked, answer)


def _rows(
    states: Mapping[str, _State], asked: Mapping[str, _Asked], answer: Callable[[_State, _Asked], str]
) -> Iterator[str]:
    yield f"| command | {' | '.join(states)} |"
    yield "|---" * (len(states) + 1) + "|"
    for name, command in asked.items():
        yield f"| {name} | {' | '.join(_cell(answer, state, command) for state in states.values())} |"


def _cell(answer: Callable[[_State, _Asked], str], state: _State, command: _Asked) -> str:
    try:
        return answer(state, command)
    except PsmpRefusedError as refused:
        return f"`{refused.code}`"
