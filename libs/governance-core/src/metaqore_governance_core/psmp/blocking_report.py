"""What is stuck: why, since when, and who can free it with which command."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
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
    """A command that helps, to be pasted into a shell. `who` names people by name, role, or by what they may not be."""

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
        way_out = WayOut(_command("project unfreeze", project.name, why=True), "who has the scope psmp:mode")
        stuck.append(StuckItem(f"project {project.name}", Cause.FROZEN, why, project.since_us, (way_out,)))
    for artifact in artifacts:
        for version in artifact.versions:
            if version.phase in OFFERED_PHASES:
                stuck += _of_version(project, artifact.name, version)
    for work in tasks:
        stuck += _of_task(work, now_us)
    return tuple(sorted(stuck, key=lambda one: (one.since_us, one.item, one.cause, one.why)))


def _of_version(project: Project, name: str, version: Version) -> Iterator[StuckItem]:
    item, of = f"artifact {name} v{version.number}", (f"{name}@{version.number}", "--project", project.name)
    for open_ in version.blocking:
        ways_out = tuple(
            _resolve(project, of[0], version, open_, choice) for choice in possible_choices(open_.conflict)
        )
        yield StuckItem(item, Cause.CONFLICT, open_.conflict.explanation, open_.since_us, ways_out)
    for open_ in version.warnings:
        yield StuckItem(
            item, Cause.WARNING, open_.conflict.explanation, open_.since_us, _of_warning(project, of, version, open_)
        )
    for veto in version.vetoes:
        way_out = WayOut(_command("artifact lift-veto", *of, why=True), veto.by)
        yield StuckItem(item, Cause.VETO, f"{veto.by} forbids it: {veto.why}", veto.at_us, (way_out,))
    missing = missing_approvals(version, project)
    for rule in missing:
        why = f"It needs {rule.count} more approval{'s' if rule.count > 1 else ''} of role {rule.role}."
        who = f"who has the role {rule.role}, but not {_authors(version)} nor who approved already"
        way_out = WayOut(_command("artifact approve", *of, "--role", rule.role), who)
        yield StuckItem(item, Cause.APPROVALS, why, version.since_us, (way_out,))
    if not (version.conflicts or version.vetoes or missing):
        ways_out = tuple(_of_waiting(project, of, version))
        yield StuckItem(item, Cause.ACTIVATION, "Nobody has activated it yet.", version.since_us, ways_out)


def _of_waiting(project: Project, of: tuple[str, ...], version: Version) -> Iterator[WayOut]:
    anybody = project.policy.may_activate_own
    yield WayOut(
        _command("artifact activate", *of),
        "who may activate" if anybody else f"anybody who may, but {_authors(version)}",
    )
    if project.mode is Mode.FLEXIBLE and not anybody:
        yield WayOut(_command("artifact activate", *of, "--own", why=True), f"{_authors(version)}, with a reason")


def _of_warning(project: Project, of: tuple[str, ...], version: Version, open_: OpenConflict) -> tuple[WayOut, ...]:
    resolve = _resolve(project, of[0], version, open_, Choice.MANUAL)
    if project.mode is not Mode.FLEXIBLE:
        return (resolve,)
    over = _command("artifact activate", *of, "--over-warning", why=True)
    return (resolve, WayOut(over, f"anybody who may, but {_authors(version)}, with a reason"))


def _resolve(project: Project, of: str, version: Version, open_: OpenConflict, choice: Choice) -> WayOut:
    chosen = "" if open_.choice is None else f" ({open_.choice} is chosen, and not done)"
    command = _command("conflict resolve", open_.conflict.id, choice.value, "--for", of, why=True)
    return WayOut(command, _who(project, version, open_, choice) + chosen)


def _command(verb: str, *words: str, why: bool = False) -> str:
    """A command as a shell takes it; where it asks for a reason, the place for that is last."""
    return shlex.join(["metaqore", *verb.split(), *words]) + (' --why "…"' if why else "")


def _who(project: Project, version: Version, open_: OpenConflict, choice: Choice) -> str:
    """Who may choose this, as the decider has it: nobody in its own favour."""
    if project.policy.may_resolve_own or choice is Choice.MERGE:
        return "who may resolve"
    if choice is Choice.KEEP_EXISTING:
        others = {party.by for party in open_.conflict.parties} - {version.proposed_by}
        return f"who may resolve, but not {_names(others)}" if others else "who may resolve"
    return f"who may resolve, but not {_authors(version)}"


def _authors(version: Version) -> str:
    return _names(version.authors)


def _names(names: AbstractSet[str]) -> str:
    return " or ".join(sorted(names))


def _of_task(work: Work, now_us: int) -> Iterator[StuckItem]:
    item = f"task {work.id}"
    if work.state is WorkState.INTERRUPTED:
        why = f"It was cut off ({work.error or 'no reason is known'}) and waits for an agent."
        yield StuckItem(
            item, Cause.INTERRUPTED, why, work.since_us, (WayOut(_command("task claim", work.id), "any agent"),)
        )
    elif work.state in {WorkState.CLAIMED, WorkState.RUNNING} and work.holder and now_us >= work.lease_until_us:
        why = f"{work.holder} held it until its lease was over, and did not end it."
        yield StuckItem(
            item, Cause.LEASE, why, work.lease_until_us, (WayOut(_command("task claim", work.id), "any agent"),)
        )
