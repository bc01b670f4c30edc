"""How accepted groups become the next entries of their organizations' logs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from metaqore_compliance_auditor.domain.edge import LogEdge, extend
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.groups import Leaf, SignedGroup
from metaqore_compliance_auditor.domain.protocol import TaskKey, TaskTrail, walk
from metaqore_compliance_auditor.domain.seals import Attestation, Entry, Head, LogSeal, SealedCheckpoint
from metaqore_governance_core.merkle import MerkleTree

Sign = Callable[[str, Head], str]
"""The signed note over an organization's head."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A group, and those of its records that are to be appended."""

    group: SignedGroup
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class OpenLog:
    """A log as it stands before a seal. `head` is what the store has committed; `edge` leads to the same root."""

    head: Head
    edge: LogEdge


def entries_by_log(accepted: Iterable[Accepted], logs: Mapping[str, OpenLog]) -> dict[str, list[Entry]]:
    """The next entries of each log, in the order of the groups and of the records in them."""
    entries: dict[str, list[Entry]] = defaultdict(list)
    for each in accepted:
        group = each.group
        attestation = Attestation(group.head, group.signature)
        tree = MerkleTree(leaf.hash for leaf in group.leaves)
        for leaf in each.leaves:
            log = entries[leaf.facts.organization]
            index = logs[leaf.facts.organization].head.size + len(log)
            log.append(Entry(index, leaf, attestation, tree.inclusion_path(leaf.facts.sequence - group.first)))
    return dict(entries)


def seal_log(
    log: OpenLog, entries: Sequence[Entry], trails: dict[TaskKey, TaskTrail], sign: Sign, now_us: int
) -> tuple[LogSeal, OpenLog]:
    """The seal that adds `entries` (at least one, all of one organization), and the log after it.

    `trails` holds what the log has of the entries' tasks, and is carried on. The signature made here must not leave
    the process before the seal is committed.
    """
    organization = entries[0].leaf.facts.organization
    edge, tiles = extend(log.edge, [entry.leaf.hash for entry in entries])
    head = Head(edge.size, edge.root())
    seal = LogSeal(
        before=log.head,
        checkpoint=SealedCheckpoint(organization, head, sign(organization, head), now_us),
        entries=tuple(entries),
        tiles=tiles,
        progress={
            entry.leaf.facts.writer: (entry.leaf.facts.sequence, entry.leaf.facts.organization_sequence)
            for entry in entries
        },
        faults=tuple(fault for entry in entries for fault in _faults(entry, trails)),
    )
    return seal, OpenLog(head, edge)


def _faults(entry: Entry, trails: dict[TaskKey, TaskTrail]) -> Iterable[Fault]:
    facts = entry.leaf.facts
    for breach in walk(trails, entry.leaf):
        yield Fault(breach.code, breach.message, facts.organization, entry.index, facts.writer, facts.sequence)
