"""How a conflict may end: for each choice, the commands that make it so, and who may not give them.

A choice changes nothing by itself. Its steps end, supersede or replace versions; the conflict is gone only when judging
again finds it gone. All steps and that judgement belong in one transaction. `manual` has no steps: a person changes
what clashes, and the judgement of that change ends the conflict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from metaqore_governance_core.psmp.actor import Actor
from metaqore_governance_core.psmp.artifact_state import OFFERED_PHASES, Phase
from metaqore_governance_core.psmp.conflicts.model import Choice, Conflict, ConflictType, Party
from metaqore_governance_core.psmp.refusal import conflict as refused


@dataclass(frozen=True, slots=True)
class Standing:
    """A party of the conflict as it stands now."""

    party: Party
    phase: Phase


@dataclass(frozen=True, slots=True)
class Step:
    """One command for one version: `reject`, `deprecate`, or `draft` of a version with these parents."""

    artifact: str
    version: int
    verb: str
    why: str
    parents: tuple[str, ...] = ()


MERGEABLE: Final = frozenset({ConflictType.PATH_SAME, ConflictType.VERSION_RIVAL})
"""Texts at one path can be merged; whether they do without marks is for who merges them to say."""


def resolution_steps(
    conflict: Conflict, incoming: Party, standing: tuple[Standing, ...], choice: Choice, by: Actor
) -> tuple[Step, ...]:
    """What `choice` does to the versions of `conflict`, of which `incoming` is the one that it stops.

    Raises `PsmpRefusedError` where the choice does not fit the conflict.
    """
    if incoming not in conflict.parties and all(one.artifact != incoming.artifact for one in conflict.parties):
        raise refused("conflict_other", "This version is no party to that conflict. Name one that is.")
    others = tuple(one for one in standing if _is_other(conflict, one.party, incoming))
    why = f"{choice} by {by.name}, {conflict.id}"
    match choice:
        case Choice.KEEP_EXISTING:
            return (Step(incoming.artifact, incoming.version, "reject", why),)
        case Choice.TAKE_INCOMING:
            return _ended(_clashing(conflict, others), why)
        case Choice.SUPERSEDE:
            return _superseded(conflict, incoming, others, why)
        case Choice.MANUAL:
            return ()
        case Choice.MERGE:
            return _merged(conflict, incoming, others, why)
        case _:
            assert_never(choice)


def _is_other(conflict: Conflict, party: Party, incoming: Party) -> bool:
    """Versions of one artifact are two sides only where they are rivals."""
    if conflict.type is ConflictType.VERSION_RIVAL:
        return party.version != incoming.version
    return party.artifact != incoming.artifact


def possible_choices(conflict: Conflict) -> tuple[Choice, ...]:
    """The choices that fit the conflict, what it suggests first."""
    fitting = [Choice.KEEP_EXISTING, Choice.TAKE_INCOMING, Choice.MANUAL]
    if len({party.artifact for party in conflict.clashing}) == 2:  # noqa: PLR2004 - two sides
        fitting.append(Choice.SUPERSEDE)
    if conflict.type in MERGEABLE:
        fitting.append(Choice.MERGE)
    if len({party.artifact for party in conflict.clashing}) == 1 and conflict.type is not ConflictType.VERSION_RIVAL:
        fitting = [Choice.KEEP_EXISTING, Choice.MANUAL]
    return tuple(sorted(fitting, key=lambda one: (one is not conflict.suggestion, fitting.index(one))))


def _clashing(conflict: Conflict, others: tuple[Standing, ...]) -> tuple[Standing, ...]:
    named = {(party.artifact, party.version) for party in conflict.clashing}
    return tuple(one for one in others if (one.party.artifact, one.party.version) in named)


def _ended(standing: tuple[Standing, ...], why: str) -> tuple[Step, ...]:
    verbs = {Phase.ACTIVE: "deprecate"} | dict.fromkeys(OFFERED_PHASES, "reject")
    steps = {
        (one.party.artifact, one.party.version): Step(one.party.artifact, one.party.version, verbs[one.phase], why)
        for one in standing
        if one.phase in verbs
    }
    return tuple(steps[key] for key in sorted(steps))


def _superseded(conflict: Conflict, incoming: Party, others: tuple[Standing, ...], why: str) -> tuple[Step, ...]:
    """The incoming content becomes the next version of the artifact that stands, whose history it continues."""
    clashing = {one.party.artifact: one for one in _clashing(conflict, others)}
    if len(clashing) != 1:
        raise refused(
            "supersede_ambiguous",
            "Only one artifact can be superseded by another. Choose take_incoming, or resolve by hand.",
        )
    ((name, one),) = clashing.items()
    parents = (f"{name}@{one.party.version}", f"{incoming.artifact}@{incoming.version}")
    return (
        Step(incoming.artifact, incoming.version, "reject", why),
        Step(name, one.party.version + 1, "draft", why, parents),
    )


def _merged(conflict: Conflict, incoming: Party, others: tuple[Standing, ...], why: str) -> tuple[Step, ...]:
    """A new version with all as parents, which is proposed and checked like any other."""
    if conflict.type not in MERGEABLE:
        raise refused(
            "merge_impossible", f"A conflict of type {conflict.type} cannot be merged. Choose one side, or change one."
        )
    clashing = _clashing(conflict, others)
    if not clashing:
        raise refused("conflict_gone", "No other party stands any more. Judge the conflict again.")
    name = clashing[0].party.artifact
    sources = sorted({f"{one.party.artifact}@{one.party.version}" for one in clashing})
    return (
        Step(incoming.artifact, incoming.version, "reject", why),
        Step(name, clashing[0].party.version + 1, "draft", why, (*sources, f"{incoming.artifact}@{incoming.version}")),
    )
