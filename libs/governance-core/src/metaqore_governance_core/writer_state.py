"""What a writer must know to go on: the fold of all records that it ever wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.records import CommandRecord, DecisionRecord, Numbers, OutcomeRecord, Record
from metaqore_governance_core.value_object import value_object


class RecordOutOfOrderError(MetaQoreError):
    """A record that does not follow from those before it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, kind=ErrorKind.UNPROCESSABLE)


@value_object
class OpenDecision:
    """A decision without its outcome: enough to write that outcome, or to run the task again under it."""

    door: str
    leaf_hash: str
    model: str
    organization: str
    policy_version: str
    reasons: tuple[str, ...]
    receipt: str
    time_us: int
    verdict: str


@dataclass(slots=True)
class WriterState:
    """The next numbers, and the open decisions by task. Grows in place: one object for the life of a writer."""

    next_sequence: int = 1
    organization_sequences: dict[str, int] = field(default_factory=dict)
    open: dict[str, OpenDecision] = field(default_factory=dict)

    def numbers(self, writer: str, organization: str) -> Numbers:
        """The numbers of the next record of `organization`: both sequences run from 1 without a gap."""
        return Numbers(
            organization_sequence=self.organization_sequences.get(organization, 0) + 1,
            sequence=self.next_sequence,
            writer=writer,
        )

    def apply(self, record: Record, leaf_hash: str) -> None:
        """Take in the next record. Raises `RecordOutOfOrderError`, and changes nothing then."""
        self._check(record)
        if isinstance(record, DecisionRecord):
            self.open[record.task] = OpenDecision(
                door=record.door,
                leaf_hash=leaf_hash,
                model=record.model,
                organization=record.organization,
                policy_version=record.policy_version,
                reasons=record.reasons,
                receipt=record.receipt,
                time_us=record.time_us,
                verdict=record.verdict,
            )
        elif isinstance(record, OutcomeRecord):
            del self.open[record.task]
        self.next_sequence = record.sequence + 1
        self.organization_sequences[record.organization] = record.organization_sequence

    def _check(self, record: Record) -> None:
        if record.sequence != self.next_sequence:
            raise RecordOutOfOrderError(
                "sequence_gap", f"Record {record.sequence} came where {self.next_sequence} was due."
            )
        due = self.organization_sequences.get(record.organization, 0) + 1
        if record.organization_sequence != due:
            raise RecordOutOfOrderError(
                "organization_sequence_gap",
                f"Record {record.sequence} has number {record.organization_sequence} in its organization, not {due}.",
            )
        if isinstance(record, CommandRecord):
            return
        opened = self.open.get(record.task)
        if isinstance(record, DecisionRecord):
            if opened is not None:
                raise RecordOutOfOrderError("decision_repeated", f"Task {record.task} already has an open decision.")
        elif opened is None or opened.leaf_hash != record.decision or opened.organization != record.organization:
            raise RecordOutOfOrderError(
                "outcome_without_decision", f"The outcome of task {record.task} names no open decision."
            )

    def copy(self) -> WriterState:
        """A state of its own, which later records do not change."""
        return WriterState(self.next_sequence, dict(self.organization_sequences), dict(self.open))

    def to_json(self) -> bytes:
        """The canonical JSON (RFC 8785) of this state."""
        return canonical(
            {
                "next_sequence": self.next_sequence,
                "open": {task: asdict(decision) for task, decision in self.open.items()},
                "organization_sequences": self.organization_sequences,
            }
        )

    @classmethod
    def from_json(cls, raw: bytes) -> WriterState:
        """The state that `to_json` wrote."""
        fields = json.loads(raw)
        opened = {task: _open_decision(decision) for task, decision in fields["open"].items()}
        return cls(fields["next_sequence"], dict(fields["organization_sequences"]), opened)


def _open_decision(fields: Mapping[str, Any]) -> OpenDecision:
    return OpenDecision(**{**fields, "reasons": tuple(fields["reasons"])})


def evolve(state: WriterState, record: Record, leaf_hash: str) -> WriterState:
    """The state after `record`; `state` stays as it was."""
    after = state.copy()
    after.apply(record, leaf_hash)
    return after
