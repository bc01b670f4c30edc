"""The decider of an artifact: what each command causes, in which phase and for whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from typing import assert_never

from metaqore_governance_core.psmp import artifact_commands as commands
from metaqore_governance_core.psmp import artifact_events as events
from metaqore_governance_core.psmp.activation import activate
from metaqore_governance_core.psmp.artifact_evolve import evolve
from metaqore_governance_core.psmp.artifact_state import FINAL_PHASES, OFFERED_PHASES, Artifact, Phase, Version
from metaqore_governance_core.psmp.project import Project, ProjectState
from metaqore_governance_core.psmp.refusal import conflict
from metaqore_governance_core.psmp.review import Review, expect, judged, review
from metaqore_governance_core.psmp.rivals import rival_conflicts

Command = commands.Command
Event = events.Event


def decide(artifact: Artifact, command: Command, project: Project) -> list[Event]:
    """The events that `command` causes under the project's state, mode and policy. Raises `PsmpRefusedError`."""
    _check_project(command, project)
    match command:
        case commands.Draft():
            return [_drafted(artifact, command)]
        case commands.Describe():
            _existing(artifact)
            described = artifact.description if command.description is None else command.description
            labels = artifact.labels if command.labels is None else tuple(sorted(command.labels))
            return [events.Described(command.by.name, command.at_us, described, labels)]
        case commands.Retire():
            _existing(artifact)
            return _retired(artifact, command)
        case _:
            return _of_version(artifact, _version(artifact, command.version), command, project)


def replay(happened: Iterable[Event]) -> Artifact:
    """The state that the events lead to. A prefix gives the past."""
    return reduce(evolve, happened, Artifact())


_Judged = commands.Propose | commands.Rejudge | commands.Activation
_Ending = (
    commands.Reject | commands.Withdraw | commands.Lapse | commands.Deprecate | commands.Archive | commands.EraseBody
)


def _of_version(
    artifact: Artifact,
    version: Version,
    command: Review | commands.Amend | commands.Propose | commands.Activation | _Ending,
    project: Project,
) -> list[Event]:
    if version.phase in FINAL_PHASES and not isinstance(command, commands.EraseBody):
        raise conflict(
            "version_ended", f"Version {version.number} is {version.phase}, and that is final. Draft another."
        )
    if isinstance(command, _Judged):
        rivals = rival_conflicts(artifact, version, _author(version, command))
        command = replace(command, conflicts=(*command.conflicts, *rivals))
    if isinstance(command, Review):
        return review(version, command, project)
    if isinstance(command, commands.Activation):
        return activate(artifact, version, command, project)
    by, at_us, number = command.by.name, command.at_us, version.number
    match command:
        case commands.Amend():
            expect(version, "amend", Phase.DRAFT)
            return [events.Amended(by, at_us, number, command.content)]
        case commands.Propose():
            expect(version, "propose", Phase.DRAFT)
            ttl_us = project.policy.proposal_ttl_us
            proposed = events.Proposed(by, at_us, number, None if ttl_us is None else at_us + ttl_us)
            return [proposed, *judged(evolve(artifact, proposed).versions[number - 1], command)]
        case _:
            return [_ended(version, command)]


def _author(version: Version, command: commands.Propose | commands.Rejudge | commands.Activation) -> str:
    """Who offers it: who does so now, or did before."""
    return version.proposed_by or command.by.name


def _ended(version: Version, command: _Ending) -> Event:
    step = (command.by.name, command.at_us, version.number)
    event: Event
    match command:
        case commands.Reject():
            expect(version, "reject", *OFFERED_PHASES)
            event = events.Rejected(*step, command.why)
        case commands.Withdraw():
            expect(version, "withdraw", Phase.DRAFT)
            event = events.Withdrawn(*step, command.why)
        case commands.Lapse():
            expect(version, "let lapse", *OFFERED_PHASES)
            if version.expires_us is None or command.at_us < version.expires_us:
                raise conflict("not_yet_lapsed", "The proposal's time is not over. Reject it to end it now.")
            event = events.Lapsed(*step)
        case commands.Deprecate():
            expect(version, "deprecate", Phase.ACTIVE)
            event = events.Deprecated(*step, command.why)
        case commands.Archive():
            expect(version, "archive", Phase.DEPRECATED)
            event = events.Archived(*step, command.why)
        case commands.EraseBody():
            if version.erased:
                raise conflict("body_erased", "The body's key is destroyed already; nothing is left to erase.")
            event = events.BodyErased(*step, version.content.body.key_id, command.why)
        case _:
            assert_never(command)
    return event


_ALWAYS = (commands.EraseBody, commands.Lapse)
"""What law and time demand passes a frozen project; erasing passes an archived one, too."""


def _check_project(command: Command, project: Project) -> None:
    match project.state:
        case None:
            raise conflict("project_missing", "There is no such project. Create it first.")
        case ProjectState.ARCHIVED if not isinstance(command, commands.EraseBody):
            raise conflict("project_archived", "The project is archived; nothing in it changes. Use another project.")
        case ProjectState.FROZEN if not isinstance(command, _ALWAYS):
            raise conflict("project_frozen", "The project is frozen. Unfreeze it, or wait until somebody does.")
        case _:
            pass


def _existing(artifact: Artifact) -> None:
    if not artifact.versions:
        raise conflict("artifact_missing", "There is no such artifact. Draft its first version.")


def _version(artifact: Artifact, number: int) -> Version:
    if not 1 <= number <= len(artifact.versions):
        raise conflict("version_missing", f"There is no version {number}; the newest is {len(artifact.versions)}.")
    return artifact.versions[number - 1]


def _drafted(artifact: Artifact, command: commands.Draft) -> Event:
    of = (artifact.organization, artifact.project, artifact.name)
    if artifact.versions and of != (command.organization, command.project, command.name):
        raise conflict("artifact_other", "This draft names another artifact. Send it to the artifact that it names.")
    return events.Drafted(
        command.by.name,
        command.at_us,
        len(artifact.versions) + 1,
        command.organization,
        command.project,
        command.name,
        command.content,
        tuple(sorted(command.text_by)),
    )


def _retired(artifact: Artifact, command: commands.Retire) -> list[Event]:
    happened: list[Event] = []
    for version in artifact.versions:
        step = (command.by.name, command.at_us, version.number)
        match version.phase:
            case Phase.DRAFT:
                happened.append(events.Withdrawn(*step, command.why))
            case Phase.PROPOSED | Phase.BLOCKED:
                happened.append(events.Rejected(*step, command.why))
            case Phase.ACTIVE:
                happened += [events.Deprecated(*step, command.why), events.Archived(*step, command.why)]
            case Phase.DEPRECATED:
                happened.append(events.Archived(*step, command.why))
            case _:
                pass
    if not happened:
        raise conflict("artifact_ended", "Every version of this artifact has ended already.")
    return happened
