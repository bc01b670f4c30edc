"""What is stuck: why, since when, and who can free it with which command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from metaqore_governance_core.psmp.activation import missing_approvals
from metaqore_governance_core.psmp.artifact_state import OFFERED_PHASES, Artifact, OpenConflict, Version
from metaqore_governance_core.psmp.conflicts.model import Choice
from metaqore_governance_core.psmp.project import Mode, Project, ProjectState
from metaqore_governance_core.psmp.resolution import possible_choices
from metaqore_governance_core.psmp.work import Work, WorkState


class Cause(StrEnum):
    """Why something is stuck."""

    CONFLICT = "conflict"
    WARNING = "warning"
    VETO = "veto"
    APPROVALS = "approvals"
    ACTIVATION = "activation"
    FROZEN = "frozen"
    LEASE = "lease"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class WayOut:
    """A command that helps. `who` names people by name, role, or by what they may not be."""

    command: str
    who: str


@dataclass(frozen=True, slots=True)
class StuckItem:
    """One thing that does not move. `since_us` is in microseconds since the Unix epoch."""

    item: str
    cause: Cause
    why: str
    since_us: int
    ways_out: tuple[WayOut, ...]


def blocking_report(
    project: Project, artifacts: Iterable[Artifact], tasks: Iterable[Work], now_us: int
) -> tuple[StuckItem, ...]:
    """Everything in the project that is stuck, the longest first."""
    stuck: list[StuckItem] = []
    if project.state is ProjectState.FROZEN:
        why = "The project is frozen, and nothing in it changes."
        way_out = WayOut("project unfreeze", "who may unfreeze it")
        stuck.append(StuckItem(f"project {project.name}", Cause.FROZEN, why, project.since_us, (way_out,)))
    for artifact in artifacts:
        for version in artifact.versions:
            if version.phase in OFFERED_PHASES:
                stuck += _of_version(project, f"artifact {artifact.name} v{version.number}", version)
    for work in tasks:
        stuck += _of_task(work, now_us)
    return tuple(sorted(stuck, key=lambda one: (one.since_us, one.item, one.cause, one.why)))


def _of_version(project: Project, item: str, version: Version) -> Iterator[StuckItem]:
    for open_ in version.blocking:
        yield StuckItem(
            item, Cause.CONFLICT, open_.conflict.explanation, open_.since_us, _of_conflict(project, version, open_)
        )
    for open_ in version.warnings:
        yield StuckItem(
            item, Cause.WARNING, open_.conflict.explanation, open_.since_us, _of_warning(project, version, open_)
        )
    for veto in version.vetoes:
        way_out = WayOut("artifact lift-veto", veto.by)
        yield StuckItem(item, Cause.VETO, f"{veto.by} forbids it: {veto.why}", veto.at_us, (way_out,))
    missing = missing_approvals(version, project)
    for rule in missing:
        why = f"It needs {rule.count} more approval{'s' if rule.count > 1 else ''} of role {rule.role}."
        who = f"who has the role {rule.role}, but not {_authors(version)} nor who approved already"
        yield StuckItem(item, Cause.APPROVALS, why, version.since_us, (WayOut("artifact approve", who),))
    if not (version.conflicts or version.vetoes or missing):
        yield _waiting(project, item, version)


def _waiting(project: Project, item: str, version: Version) -> StuckItem:
    anybody = project.policy.may_activate_own
    ways_out = [
        WayOut("artifact activate", "who may activate" if anybody else f"anybody who may, but {_authors(version)}")
    ]
    if project.mode is Mode.FLEXIBLE and not anybody:
        ways_out.append(WayOut("artifact activate-own", f"{_authors(version)}, with a reason"))
    return StuckItem(item, Cause.ACTIVATION, "Nobody has activated it yet.", version.since_us, tuple(ways_out))


def _of_conflict(project: Project, version: Version, open_: OpenConflict) -> tuple[WayOut, ...]:
    chosen = () if open_.choice is None else (f" ({open_.choice} is chosen, and not done)",)
    return tuple(
        WayOut(
            f"conflict resolve {open_.conflict.id} {choice}", _who(project, version, open_, choice) + "".join(chosen)
        )
        for choice in possible_choices(open_.conflict)
    )


def _of_warning(project: Project, version: Version, open_: OpenConflict) -> tuple[WayOut, ...]:
    resolve = WayOut(
        f"conflict resolve {open_.conflict.id} {Choice.MANUAL}", _who(project, version, open_, Choice.MANUAL)
    )
    if project.mode is not Mode.FLEXIBLE:
        return (resolve,)
    return (
        resolve,
        WayOut("artifact activate-over-warning", f"anybody who may, but {_authors(version)}, with a reason"),
    )


def _who(project: Project, version: Version, open_: OpenConflict, choice: Choice) -> str:
    """Who may choose this, as the decider has it: nobody in its own favour."""
    if project.policy.may_resolve_own or choice is Choice.MERGE:
        return "who may resolve"
    if choice is Choice.KEEP_EXISTING:
        others = {party.by for party in open_.conflict.parties} - {version.proposed_by}
        return f"who may resolve, but not {_names(others)}" if others else "who may resolve"
    return f"who may resolve, but not {_authors(version)}"


def _authors(version: Version) -> str:
    return _names({version.proposed_by, version.drafted_by} - {""})


def _names(names: set[str]) -> str:
    return " or ".join(sorted(names))


def _of_task(work: Work, now_us: int) -> Iterator[StuckItem]:
    item = f"task {work.id}"
    if work.state is WorkState.INTERRUPTED:
        why = f"It was cut off ({work.error or 'no reason is known'}) and waits for an agent."
        yield StuckItem(item, Cause.INTERRUPTED, why, work.since_us, (WayOut("task claim", "any agent"),))
    elif work.state in {WorkState.CLAIMED, WorkState.RUNNING} and work.holder and now_us >= work.lease_until_us:
        why = f"{work.holder} held it until its lease was over, and did not end it."
        yield StuckItem(item, Cause.LEASE, why, work.lease_until_us, (WayOut("task claim", "any agent"),))
