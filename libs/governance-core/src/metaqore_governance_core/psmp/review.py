"""What happens to a proposal between its offer and its end: judgement, resolution, approvals and vetoes."""

from __future__ import annotations

from typing import assert_never

from metaqore_governance_core.psmp import artifact_commands as commands
from metaqore_governance_core.psmp import artifact_events as events
from metaqore_governance_core.psmp.artifact_state import OFFERED_PHASES, Phase, Version
from metaqore_governance_core.psmp.conflicts.model import Choice, Conflict
from metaqore_governance_core.psmp.project import Project
from metaqore_governance_core.psmp.refusal import conflict, forbidden

Review = commands.Rejudge | commands.Resolve | commands.Approve | commands.LayVeto | commands.LiftVeto


def review(version: Version, command: Review, project: Project) -> list[events.Event]:
    """The events that `command` causes to a proposal. Raises `PsmpRefusedError`."""
    match command:
        case commands.Rejudge():
            expect(version, "rejudge", *OFFERED_PHASES)
            return judged(version, command)
        case commands.Resolve():
            expect(version, "resolve a conflict of", *OFFERED_PHASES)
            return [_resolved(version, command, project)]
        case commands.Approve():
            expect(version, "approve", *OFFERED_PHASES)
            return [_approved(version, command)]
        case commands.LayVeto():
            expect(version, "veto", *OFFERED_PHASES)
            return [_vetoed(version, command, project)]
        case commands.LiftVeto():
            expect(version, "lift the veto on", *OFFERED_PHASES)
            return [_lifted(version, command)]
        case _:
            assert_never(command)


def expect(version: Version, verb: str, *phases: Phase) -> None:
    """Refuse what the version's phase does not allow."""
    if version.phase not in phases:
        wanted = " or ".join(sorted(phases))
        raise conflict(
            "wrong_phase",
            f"Version {version.number} is {version.phase}; you can {verb} a version only while it is {wanted}.",
        )


def _lifted(version: Version, command: commands.LiftVeto) -> events.Event:
    if all(veto.by != command.by.name for veto in version.vetoes):
        raise forbidden("veto_not_own", "Only who laid a veto can lift it, and you laid none on this version.")
    return events.VetoLifted(command.by.name, command.at_us, version.number, command.why)


def judged(version: Version, command: commands.Propose | commands.Rejudge) -> list[events.Event]:
    """What the conflicts of now change: some are new, some are gone, and the phase follows."""
    by, at_us, number = command.by.name, command.at_us, version.number
    found = {one.id: one for one in command.conflicts if one.blocks or one.id not in version.acknowledged}
    known = {one.conflict.id for one in version.conflicts}
    happened: list[events.Event] = [events.ConflictGone(by, at_us, number, id_) for id_ in sorted(known - found.keys())]
    happened += [events.ConflictFound(by, at_us, number, found[id_]) for id_ in sorted(found.keys() - known)]
    blocks = any(one.blocks for one in found.values())
    if blocks and version.phase is Phase.PROPOSED:
        happened.append(events.Blocked(by, at_us, number))
    if not blocks and version.phase is Phase.BLOCKED:
        happened.append(events.Unblocked(by, at_us, number))
    return happened


def _resolved(version: Version, command: commands.Resolve, project: Project) -> events.Event:
    standing = next((one.conflict for one in version.conflicts if one.conflict.id == command.conflict), None)
    if standing is None:
        raise conflict("conflict_missing", "This version stands in no such conflict; it may be gone already.")
    _check_favour(version, standing, command, project)
    event = events.ResolutionChosen if standing.blocks else events.WarningAcknowledged
    return event(command.by.name, command.at_us, version.number, standing.id, command.choice, command.why)


def _check_favour(version: Version, standing: Conflict, command: commands.Resolve, project: Project) -> None:
    """Who is a party may give way or merge, but not decide for itself."""
    if project.policy.may_resolve_own or command.choice is Choice.MERGE:
        return
    by = command.by.name
    others = {party.by for party in standing.parties} - {version.proposed_by}
    own = by in others if command.choice is Choice.KEEP_EXISTING else by in version.authors
    if own:
        raise forbidden(
            "own_favour", f"You are a party to this conflict. Give way, merge, or ask someone else to {command.choice}."
        )


def _approved(version: Version, command: commands.Approve) -> events.Event:
    by = command.by
    if by.name in version.authors:
        raise forbidden("own_proposal", "You cannot approve your own proposal. Ask someone else who has the role.")
    if command.role not in by.roles:
        raise forbidden("role_missing", f"You do not have the role {command.role}. Ask someone who has it.")
    if any(one.by == by.name and one.role == command.role for one in version.approvals):
        raise conflict("already_approved", f"You approved it as {command.role} already; one voice counts once.")
    return events.Approved(by.name, command.at_us, version.number, command.role)


def _vetoed(version: Version, command: commands.LayVeto, project: Project) -> events.Event:
    by = command.by
    if not by.roles & project.policy.veto_roles:
        roles = ", ".join(sorted(project.policy.veto_roles)) or "nobody, by this project's policy"
        raise forbidden("role_missing", f"You cannot veto here. Who can: {roles}.")
    if any(veto.by == by.name for veto in version.vetoes):
        raise conflict("already_vetoed", "Your veto stands already.")
    return events.Vetoed(by.name, command.at_us, version.number, command.why)
