"""What each event means for an artifact."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from metaqore_governance_core.psmp import artifact_events as events
from metaqore_governance_core.psmp.artifact_state import Approval, Artifact, OpenConflict, Phase, Version, Veto


def evolve(artifact: Artifact, event: events.Event) -> Artifact:
    """`artifact` after `event`. Total: an event that is stored always applies."""
    match event:
        case events.Drafted():
            base = 0 if artifact.active is None else artifact.active.number
            version = Version(
                event.version,
                event.content,
                Phase.DRAFT,
                event.at_us,
                event.by,
                drafted_us=event.at_us,
                base=base,
                text_by=event.text_by,
            )
            return replace(
                artifact,
                organization=event.organization,
                project=event.project,
                name=event.name,
                versions=(*artifact.versions, version),
            )
        case events.Described():
            return replace(artifact, description=event.description, labels=event.labels)
        case _:
            index = event.version - 1
            changed = _version(artifact.versions[index], event)
            return replace(artifact, versions=(*artifact.versions[:index], changed, *artifact.versions[index + 1 :]))


_Stepping = (
    events.Proposed
    | events.Blocked
    | events.Unblocked
    | events.Activations
    | events.Rejected
    | events.Withdrawn
    | events.Lapsed
    | events.Deprecated
    | events.Archived
)
_Remaining = (
    events.Amended
    | events.ConflictFound
    | events.ConflictGone
    | events.ResolutionChosen
    | events.WarningAcknowledged
    | events.Approved
    | events.Vetoed
    | events.VetoLifted
    | events.BodyErased
)


def _version(version: Version, event: _Stepping | _Remaining) -> Version:
    if isinstance(event, _Stepping):
        stepped = replace(version, phase=_phase(event), since_us=event.at_us)
        if isinstance(event, events.Proposed):
            return replace(stepped, proposed_by=event.by, expires_us=event.expires_us)
        return stepped
    return _within_phase(version, event)


def _phase(event: _Stepping) -> Phase:  # noqa: PLR0911 - one return a phase
    match event:
        case events.Proposed() | events.Unblocked():
            return Phase.PROPOSED
        case events.Blocked():
            return Phase.BLOCKED
        case events.Activated() | events.ActivatedOverWarning() | events.ActivatedOwn() | events.ProposedAndActivated():
            return Phase.ACTIVE
        case events.Rejected():
            return Phase.REJECTED
        case events.Withdrawn():
            return Phase.WITHDRAWN
        case events.Lapsed():
            return Phase.LAPSED
        case events.Deprecated():
            return Phase.DEPRECATED
        case events.Archived():
            return Phase.ARCHIVED
        case _:
            assert_never(event)


def _within_phase(version: Version, event: _Remaining) -> Version:  # noqa: PLR0911 - one return an event
    match event:
        case events.Amended():
            others = {*version.text_by, event.by} - {version.drafted_by}
            return replace(version, content=event.content, text_by=tuple(sorted(others)))
        case events.ConflictFound():
            found = (*version.conflicts, OpenConflict(event.conflict, event.at_us))
            return replace(version, conflicts=tuple(sorted(found, key=lambda one: one.conflict.id)))
        case events.ConflictGone():
            return _without(version, event.conflict)
        case events.ResolutionChosen():
            chosen = tuple(
                replace(one, choice=event.choice) if one.conflict.id == event.conflict else one
                for one in version.conflicts
            )
            return replace(version, conflicts=chosen)
        case events.WarningAcknowledged():
            return replace(_without(version, event.conflict), acknowledged=version.acknowledged | {event.conflict})
        case events.Approved():
            approvals = (*version.approvals, Approval(event.role, event.by, event.at_us))
            return replace(version, approvals=tuple(sorted(approvals)))
        case events.Vetoed():
            return replace(version, vetoes=tuple(sorted((*version.vetoes, Veto(event.by, event.why, event.at_us)))))
        case events.VetoLifted():
            return replace(version, vetoes=tuple(veto for veto in version.vetoes if veto.by != event.by))
        case events.BodyErased():
            return replace(version, erased=True)
        case _:
            assert_never(event)


def _without(version: Version, conflict: str) -> Version:
    return replace(version, conflicts=tuple(one for one in version.conflicts if one.conflict.id != conflict))
