"""Verifies receipts and whole logs with nothing but a pinned key; the mesh only hands over records and proofs."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rich.console import Console

from metaqore.audit.v1 import audit_pb2 as audit
from metaqore_cli.client import Client
from metaqore_cli.connection import run_directory
from metaqore_cli.log_check import LogCheck
from metaqore_cli.seen import SeenLogs
from metaqore_cli.trust import Trust
from metaqore_governance_core.checkpoints import open_checkpoint, parse_checkpoint
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.proofs import ReceiptProof, verify_receipt_proof
from metaqore_governance_core.receipts import Receipt, verify, verify_record
from metaqore_governance_core.records import DecisionRecord, parse_record
from metaqore_mesh.keys import load_writer_public_key

REPORT_EVERY = 10_000


@dataclass(slots=True)
class Verified:
    """How much holds, and what does not."""

    verified: int = 0
    records: int = 0
    without_outcome: int = 0
    checkpoint_size: int | None = None
    faults: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "verified": self.verified,
            "records": self.records,
            "without_outcome": self.without_outcome,
            "checkpoint_size": self.checkpoint_size,
            "faults": self.faults,
        }


def verify_receipt(proof: ReceiptProof, trust: Trust, promise: Receipt | None, result: Verified) -> None:
    """Adds to `result` whether this proof holds, and whether it keeps what the receipt's token promised."""
    try:
        organization = parse_record(proof.decision.record).organization
        origin = trust.origin_of(organization, proof.decision.checkpoint)
        proven = verify_receipt_proof(proof, origin, trust.public_key)
        if promise is not None:
            verify(promise, load_writer_public_key(run_directory(), promise.writer))
            verify_record(promise, proof.decision.record)
    except MetaQoreError as error:
        result.faults.append({"code": error.code, "message": f"{proof.receipt}: {error.message}"})
        return
    result.verified += 1
    result.records += 1 + (proven.outcome is not None)
    result.without_outcome += proven.outcome is None and isinstance(proven.decision, DecisionRecord)


def verify_all(client: Client, trust: Trust, seen: SeenLogs, progress: Console | None) -> Verified:
    """Reads the organization's whole log and checks it here, also that it goes on from what was `seen` of it before,
    then asks the auditor what it finds on its own disk.
    """
    try:
        note = client.checkpoint()
    except MetaQoreError as error:
        if error.code == "no_checkpoint":  # a log without a record: nothing to verify, nothing wrong
            return Verified(checkpoint_size=0, faults=seen.faults(client, trust, None))
        raise
    organization = parse_checkpoint(note.rpartition("\n\n")[0] + "\n").origin.rpartition("/")[2]
    checkpoint = open_checkpoint(note, trust.origin_of(organization, note), trust.public_key)
    faults = seen.faults(client, trust, checkpoint)
    check = LogCheck()
    if checkpoint.size:
        told = client.records(audit.ListRecordsRequest(limit=checkpoint.size))
        for entry in islice(told, checkpoint.size + 1):  # one more tells as much as a mesh that never ends
            check.add(entry.record)
            if progress is not None and check.records % REPORT_EVERY == 0:
                progress.print(f"[dim]{check.records} of {checkpoint.size} records[/]")
    check.finish(checkpoint)
    faults += [{"code": f.code, "message": f.message, "index": f.index} for f in check.faults]
    if not faults:
        seen.remember(note, checkpoint.origin)
    for report in client.verify_log():
        faults += [
            {
                "code": fault.code,
                "message": f"The auditor: {fault.message}",
                "index": fault.leaf_index,
                "writer": fault.writer,
                "sequence": fault.sequence,
            }
            for fault in report.faults
        ]
    return Verified(
        verified=0 if faults else check.receipts,
        records=check.records,
        without_outcome=check.without_outcome,
        checkpoint_size=checkpoint.size,
        faults=faults,
    )
