"""Checks an organization's whole log offline: every record against the signed root, and the records by each other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from metaqore_governance_core.checkpoints import Checkpoint
from metaqore_governance_core.compact_range import CompactRange
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.merkle import leaf_hash
from metaqore_governance_core.records import DecisionRecord, OutcomeRecord, Record, parse_record


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not fit: a stable code, a sentence, and the leaf index where it was seen."""

    code: str
    message: str
    index: int


@dataclass(slots=True)
class LogCheck:
    """Takes the records of a log from the first on; `finish` holds them to a checkpoint.

    `receipts` counts commands, and decisions that have exactly one outcome, or none yet.
    """

    tree: CompactRange = field(default_factory=CompactRange)
    faults: list[Fault] = field(default_factory=list)
    _decisions: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    _outcomes: set[str] = field(default_factory=set)
    _commands: int = 0
    _organizations: dict[str, int] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def records(self) -> int:
        """How many records were taken in."""
        return self.tree.size

    @property
    def receipts(self) -> int:
        """How many tasks and commands they decide."""
        return len(self._decisions) + self._commands

    @property
    def without_outcome(self) -> int:
        """How many tasks still run, as far as the log tells."""
        return len(self._decisions.keys() - self._outcomes)

    def add(self, raw: bytes) -> None:
        """Take in the next record, in canonical bytes."""
        index, leaf = self.tree.size, leaf_hash(raw)
        self.tree.append(leaf)
        try:
            record = parse_record(raw)
        except MetaQoreError as error:
            self._fault("record_invalid", f"Record {index} cannot be read: {error.message}", index)
            return
        self._organizations.setdefault(record.organization, index)
        self._check_sequence(record, index)
        if isinstance(record, DecisionRecord):
            if record.task in self._decisions:
                self._fault("second_decision", f"Task {record.task} has a second decision at {index}.", index)
            self._decisions[record.task] = (leaf.hex(), record.receipt, record.writer)
        elif isinstance(record, OutcomeRecord):
            self._check_outcome(record, index)
        else:
            self._commands += 1

    def finish(self, checkpoint: Checkpoint) -> None:
        """Hold what was taken in to a verified checkpoint of the same size and organization."""
        for organization, index in self._organizations.items():
            if organization != checkpoint.origin.rpartition("/")[2]:
                self._fault("other_organization", f"Record {index} is of {organization}, another organization.", index)
        if checkpoint.size != self.tree.size:
            message = f"The checkpoint covers {checkpoint.size} records, but the log gave {self.tree.size}."
            self._fault("size_mismatch", message, min(checkpoint.size, self.tree.size))
        elif checkpoint.root != self.tree.root():
            message = "The records do not hash to the root of the signed checkpoint: one was changed, added or removed."
            self._fault("root_mismatch", message, 0)

    def _check_sequence(self, record: Record, index: int) -> None:
        expected = self._last[record.writer] + 1
        if record.organization_sequence != expected:
            message = (
                f"Record {index} is number {record.organization_sequence} of writer {record.writer} for this "
                f"organization, but {expected} should follow."
            )
            self._fault("organization_sequence_gap", message, index)
        self._last[record.writer] = record.organization_sequence

    def _check_outcome(self, record: OutcomeRecord, index: int) -> None:
        decision, receipt, writer = self._decisions.get(record.task, ("", "", ""))
        if decision != record.decision:
            self._fault("outcome_without_decision", f"The outcome at {index} names no decision before it.", index)
        elif receipt != record.receipt:
            self._fault("receipt_mismatch", f"The outcome at {index} carries another receipt than its decision.", index)
        elif writer != record.writer:
            self._fault("foreign_outcome", f"The outcome at {index} is another writer's than its decision.", index)
        elif record.task in self._outcomes:
            self._fault("second_outcome", f"Task {record.task} has a second outcome at {index}.", index)
        self._outcomes.add(record.task)

    def _fault(self, code: str, message: str, index: int) -> None:
        self.faults.append(Fault(code, message, index))
