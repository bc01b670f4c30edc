"""When a version may become active: what no mode opens, and what flexible adds."""

from __future__ import annotations

from typing import assert_never

from metaqore_governance_core.psmp import artifact_commands as commands
from metaqore_governance_core.psmp import artifact_events as events
from metaqore_governance_core.psmp.artifact_state import Artifact, Phase, Version
from metaqore_governance_core.psmp.conflicts.model import Conflict
from metaqore_governance_core.psmp.project import ApprovalRule, Mode, Project
from metaqore_governance_core.psmp.refusal import blocked, conflict, forbidden, warned


def activate(
    artifact: Artifact, version: Version, command: commands.Activation, project: Project
) -> list[events.Event]:
    """The former version is deprecated first, so that at no event two are active. Raises `PsmpRefusedError`."""
    _check_mode(command, project)
    _check_phase(version, command)
    _check_absolute(version, command, project)
    warnings = open_warnings(version, command.conflicts)
    if warnings and not isinstance(command, commands.ActivateOverWarning):
        raise warned(warnings)
    if not warnings and isinstance(command, commands.ActivateOverWarning):
        raise conflict("no_warnings", "No warning is open. Activate it as usual.")
    own = command.by.name in version.authors
    if not own and isinstance(command, commands.ActivateOwn):
        raise conflict("not_own", "This is not your proposal. Activate it as usual.")
    if (
        own
        and not project.policy.may_activate_own
        and not isinstance(command, commands.ActivateOwn | commands.ProposeAndActivate)
    ):
        raise forbidden("own_proposal", "You cannot activate your own proposal here. Ask someone else to.")
    happened = _former_deprecated(artifact, version, command)
    return happened + _activated(version, command, warnings)


def open_warnings(version: Version, found: tuple[Conflict, ...]) -> tuple[Conflict, ...]:
    """The warnings of now that nobody answers for."""
    return tuple(one for one in found if not one.blocks and one.id not in version.acknowledged)


def missing_approvals(version: Version, project: Project) -> tuple[ApprovalRule, ...]:
    """What the project still asks for: each role, with how many of its people are yet to approve."""
    given = {
        rule.role: {one.by for one in version.approvals if one.role == rule.role} for rule in project.policy.approvals
    }
    return tuple(
        ApprovalRule(rule.role, rule.count - len(given[rule.role]))
        for rule in project.policy.approvals
        if len(given[rule.role]) < rule.count
    )


def _check_mode(command: commands.Activation, project: Project) -> None:
    if isinstance(command, commands.FLEXIBLE_ONLY):
        if project.mode is not Mode.FLEXIBLE:
            raise forbidden(
                "mode_strict", "The project is strict. Propose, let someone else activate, and resolve warnings first."
            )
        if not command.why.strip():
            raise conflict("reason_missing", "Say why: this is allowed only with a reason on record.")


def _check_phase(version: Version, command: commands.Activation) -> None:
    wanted = Phase.DRAFT if isinstance(command, commands.ProposeAndActivate) else Phase.PROPOSED
    if version.phase is Phase.BLOCKED and wanted is Phase.PROPOSED:
        raise blocked(tuple(one.conflict for one in version.blocking))
    if version.phase is not wanted:
        raise conflict(
            "wrong_phase",
            f"Version {version.number} is {version.phase}; this activates a version only while it is {wanted}.",
        )
    if version.expires_us is not None and command.at_us >= version.expires_us:
        raise conflict("proposal_lapsed", "The proposal's time is over. Draft a new version and propose it.")


def _check_absolute(version: Version, command: commands.Activation, project: Project) -> None:
    """What passes in no mode, for nobody."""
    if version.vetoes:
        laid = "; ".join(f"{veto.by}: {veto.why}" for veto in version.vetoes)
        raise forbidden("vetoed", f"A veto stands, and only who laid it can lift it: {laid}")
    blocking = tuple(one for one in command.conflicts if one.blocks)
    if blocking:
        raise blocked(blocking)
    missing = missing_approvals(version, project)
    if missing:
        asked = ", ".join(f"{rule.count} more of role {rule.role}" for rule in missing)
        raise conflict("approvals_missing", f"It needs more approvals first: {asked}.")


def _former_deprecated(artifact: Artifact, version: Version, command: commands.Activation) -> list[events.Event]:
    former = artifact.active
    if former is None:
        return []
    why = f"version {version.number} takes its place"
    return [events.Deprecated(command.by.name, command.at_us, former.number, why, version.number)]


def _activated(version: Version, command: commands.Activation, warnings: tuple[Conflict, ...]) -> list[events.Event]:
    by, at_us, number = command.by.name, command.at_us, version.number
    match command:
        case commands.Activate():
            return [events.Activated(by, at_us, number)]
        case commands.ActivateOverWarning():
            ids = tuple(sorted(one.id for one in warnings))
            return [events.ActivatedOverWarning(by, at_us, number, ids, command.why)]
        case commands.ActivateOwn():
            return [events.ActivatedOwn(by, at_us, number, command.why)]
        case commands.ProposeAndActivate():
            return [
                events.Proposed(by, at_us, number, None),
                events.ProposedAndActivated(by, at_us, number, command.why),
            ]
        case _:
            assert_never(command)
