"""Proofs that a reader checks offline, with nothing but a pinned public key and the log's origin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from metaqore_governance_core.canonical import canonical, from_hex
from metaqore_governance_core.checkpoints import Checkpoint, open_checkpoint
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.merkle import leaf_hash, verify_inclusion
from metaqore_governance_core.records import CommandRecord, DecisionRecord, OutcomeRecord, parse_record

PROOF_VERSION: Final = 1


class ReceiptProofError(MetaQoreError):
    """Records that are each in the log, yet do not belong together or to the receipt."""

    def __init__(self, message: str) -> None:
        super().__init__("receipt_proof_invalid", message, kind=ErrorKind.UNPROCESSABLE)


@dataclass(frozen=True, slots=True)
class RecordProof:
    """A record's canonical bytes, its leaf index, and the path to the root in a signed checkpoint."""

    record: bytes
    index: int
    path: tuple[bytes, ...]
    checkpoint: str


@dataclass(frozen=True, slots=True)
class ReceiptProof:
    """What a receipt resolves to: its decision and, once written, its outcome; or a command, as `decision`, alone."""

    receipt: str
    decision: RecordProof
    outcome: RecordProof | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """What a verified receipt proof establishes."""

    decision: DecisionRecord | CommandRecord
    outcome: OutcomeRecord | None


def verify_record_proof(proof: RecordProof, origin: str, public_key: bytes) -> Checkpoint:
    """The checkpoint under which the record is in the log of that origin. Raises `MetaQoreError`."""
    checkpoint = open_checkpoint(proof.checkpoint, origin, public_key)
    verify_inclusion(leaf_hash(proof.record), proof.index, checkpoint.size, proof.path, checkpoint.root)
    return checkpoint


def verify_receipt_proof(proof: ReceiptProof, origin: str, public_key: bytes) -> Proven:
    """Decision and outcome of the receipt, both in the log, and the outcome that decision's. A command has no outcome.

    Raises `MetaQoreError`.
    """
    verify_record_proof(proof.decision, origin, public_key)
    decision = parse_record(proof.decision.record)
    if isinstance(decision, OutcomeRecord) or decision.receipt != proof.receipt:
        raise ReceiptProofError("The proof's first record is not the decision of this receipt.")
    if decision.organization != origin.rpartition("/")[2]:
        raise ReceiptProofError("The decision is in another organization's log.")
    if proof.outcome is None:
        return Proven(decision, None)
    if isinstance(decision, CommandRecord):
        raise ReceiptProofError("The proof has an outcome, and a command has none.")
    verify_record_proof(proof.outcome, origin, public_key)
    outcome = parse_record(proof.outcome.record)
    if not isinstance(outcome, OutcomeRecord) or outcome.decision != leaf_hash(proof.decision.record).hex():
        raise ReceiptProofError("The proof's second record is not the outcome of its decision.")
    shared = (decision.organization, decision.receipt, decision.task)
    if (outcome.organization, outcome.receipt, outcome.task) != shared:
        raise ReceiptProofError("Decision and outcome name different tasks.")
    return Proven(decision, outcome)


def to_json(proof: ReceiptProof) -> bytes:
    """The proof as canonical JSON: records as text, hashes as hex."""
    return canonical(
        {
            "decision": _fields(proof.decision),
            "outcome": None if proof.outcome is None else _fields(proof.outcome),
            "receipt": proof.receipt,
            "version": PROOF_VERSION,
        }
    )


def from_json(raw: bytes) -> ReceiptProof:
    """The proof that `to_json` wrote, not yet verified. Raises `MetaQoreError` `proof_invalid`.

    A repeated key is refused (RFC 8259 section 4): another reader could show its other value as what was verified.
    """
    try:
        fields = json.loads(raw, object_pairs_hook=_each_once)
        receipt, version = fields["receipt"], fields["version"]
        decision = _record_proof(fields["decision"])
        outcome = None if fields["outcome"] is None else _record_proof(fields["outcome"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise MetaQoreError("proof_invalid", "This is not a receipt proof.") from error
    if type(version) is not int or version != PROOF_VERSION or not isinstance(receipt, str):
        raise MetaQoreError("proof_invalid", f"This reads receipt proofs of version {PROOF_VERSION}.")
    return ReceiptProof(receipt, decision, outcome)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("the same key twice")
    return fields


def _fields(proof: RecordProof) -> dict[str, Any]:
    return {
        "checkpoint": proof.checkpoint,
        "index": proof.index,
        "path": [node.hex() for node in proof.path],
        "record": proof.record.decode(),
    }


def _record_proof(fields: dict[str, Any]) -> RecordProof:
    index, checkpoint = fields["index"], fields["checkpoint"]
    if type(index) is not int or type(checkpoint) is not str:
        raise TypeError("a number and a text expected")
    return RecordProof(fields["record"].encode(), index, tuple(map(from_hex, fields["path"])), checkpoint)
