"""What becomes of a writer's group: appended, skipped, held back or refused. A pure decider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metaqore_compliance_auditor.domain.groups import Leaf, Refused, SignedGroup


@dataclass(frozen=True, slots=True)
class WriterPosition:
    """How far a writer's records have been accepted: its last sequence, and its last number per organization."""

    sequence: int = 0
    organizations: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Append:
    """The records that are new, in their writer's order. Those before them in the group were here already."""

    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    """Every record of the group is here already, bit for bit."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Records before the group are missing, from `expected` on. Its writer sends them all again."""

    expected: int


Verdict = Append | Skip | Hold


def overlap(position: WriterPosition, group: SignedGroup) -> range:
    """The sequences of `group` that have been accepted before: `admit` needs their leaf hashes."""
    return range(group.first, min(group.last, position.sequence) + 1)


def admit(position: WriterPosition, group: SignedGroup, known: Mapping[int, bytes]) -> Verdict:
    """What becomes of an authentic group. `known` holds the leaf hashes of the sequences in `overlap`.

    Raises `Refused` for `sequence_conflict` (another record was accepted under that sequence) and for
    `organization_sequence_mismatch` (the running number in an organization has a gap or repeats).
    """
    if group.first > position.sequence + 1:
        return Hold(position.sequence + 1)
    for leaf in group.leaves:
        sequence = leaf.facts.sequence
        if sequence <= position.sequence and known.get(sequence) != leaf.hash:
            raise Refused("sequence_conflict", f"Another record of this writer has the sequence {sequence}.")
    new = tuple(leaf for leaf in group.leaves if leaf.facts.sequence > position.sequence)
    if not new:
        return Skip()
    advance(position, new)
    return Append(new)


def advance(position: WriterPosition, leaves: Sequence[Leaf]) -> WriterPosition:
    """The position after `leaves`, which follow it. Raises `Refused` where a number in an organization does not."""
    organizations = dict(position.organizations)
    for leaf in leaves:
        facts = leaf.facts
        expected = organizations.get(facts.organization, 0) + 1
        if facts.organization_sequence != expected:
            raise Refused(
                "organization_sequence_mismatch",
                f"Record {facts.sequence} is number {facts.organization_sequence} of its writer in its organization; "
                f"{expected} follows.",
            )
        organizations[facts.organization] = expected
    return WriterPosition(leaves[-1].facts.sequence, organizations)
