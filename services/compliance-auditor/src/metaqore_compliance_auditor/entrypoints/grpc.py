"""`metaqore.audit.v1.AuditService`: parses, calls one use case, answers. The organization is the caller's."""

# ruff: noqa: N802, ARG002 - names and arguments are the contract's

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from metaqore.audit.v1 import audit_pb2 as pb
from metaqore.audit.v1 import audit_pb2_grpc
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.stored import StoredEntry
from metaqore_compliance_auditor.service.checking import CheckLogs
from metaqore_compliance_auditor.service.reading import LogReading
from metaqore_compliance_auditor.service.verifying import Progress
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.proofs import RecordProof
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller

MAX_WRITER_CHARACTERS = 128


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Everything is scoped to the organization in the call's metadata; `GetWriterProgress` alone needs none."""

    def __init__(self, reading: LogReading, checks: CheckLogs) -> None:
        self._reading = reading
        self._checks = checks

    async def GetReceipt(self, request: pb.GetReceiptRequest, context: Context) -> pb.GetReceiptResponse:
        """Decision and outcome of a receipt, proven."""
        proof = await self._reading.receipt(_organization(), _uuid("receipt_id_invalid", request.receipt_id))
        return pb.GetReceiptResponse(
            receipt_id=proof.receipt,
            decision=_proven(proof.decision),
            outcome=None if proof.outcome is None else _proven(proof.outcome),
        )

    async def GetTaskRecords(self, request: pb.GetTaskRecordsRequest, context: Context) -> pb.GetTaskRecordsResponse:
        """The sealed records of a task."""
        entries = await self._reading.task(_organization(), _uuid("task_id_invalid", request.task_id))
        return pb.GetTaskRecordsResponse(records=map(_record, entries))

    async def ListRecords(
        self, request: pb.ListRecordsRequest, context: Context
    ) -> AsyncIterator[pb.ListRecordsResponse]:
        """Records in the log's order, and new ones as they come."""
        pages = self._reading.records(
            _organization(),
            start=request.start_index,
            limit=request.limit,
            tail=request.tail,
            follow=request.follow,
        )
        async for page in pages:
            yield pb.ListRecordsResponse(records=map(_record, page))

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Context) -> pb.GetCheckpointResponse:
        """The newest signed checkpoint, or an older one."""
        at_most = request.size if request.HasField("size") else None
        found = await self._reading.checkpoint(_organization(), at_most)
        return pb.GetCheckpointResponse(checkpoint=found.note)

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, context: Context
    ) -> pb.GetInclusionProofResponse:
        """The inclusion path of a leaf."""
        path = await self._reading.inclusion(_organization(), request.leaf_index, request.tree_size)
        return pb.GetInclusionProofResponse(inclusion_path=path)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, context: Context
    ) -> pb.GetConsistencyProofResponse:
        """The consistency path between two sizes."""
        path = await self._reading.consistency(_organization(), request.old_size, request.new_size)
        return pb.GetConsistencyProofResponse(consistency_path=path)

    async def VerifyLog(self, request: pb.VerifyLogRequest, context: Context) -> AsyncIterator[pb.VerifyLogResponse]:
        """Re-reads the organization's log and streams what does not fit."""
        async for progress in self._checks.check(_organization()):
            yield _progress(progress)

    async def GetWriterProgress(
        self, request: pb.GetWriterProgressRequest, context: Context
    ) -> pb.GetWriterProgressResponse:
        """How far a writer's records are sealed."""
        if not 0 < len(request.writer) <= MAX_WRITER_CHARACTERS:
            raise MetaQoreError("writer_invalid", "Name the writer, as its public key's file does.")
        sealed, received = await self._reading.progress(request.writer)
        return pb.GetWriterProgressResponse(sealed_sequence=sealed, received_sequence=received)


def _organization() -> str:
    return current_caller().organization


def _uuid(code: str, text: str) -> str:
    """The UUID as it is kept. Raises `code`, which names the field: `<field>_invalid`."""
    try:
        return str(UUID(text))
    except ValueError:
        field = code.removesuffix("_invalid")
        raise MetaQoreError(code, f"`{field}` is a UUID, as a receipt or a task carries it.") from None


def _proven(proof: RecordProof) -> pb.ProvenRecord:
    return pb.ProvenRecord(
        record=proof.record, leaf_index=proof.index, inclusion_path=proof.path, checkpoint=proof.checkpoint
    )


def _record(entry: StoredEntry) -> pb.LogRecord:
    return pb.LogRecord(leaf_index=entry.index, record=entry.record)


def _progress(progress: Progress) -> pb.VerifyLogResponse:
    return pb.VerifyLogResponse(
        verified_records=progress.verified,
        total_records=progress.total,
        faults=map(_fault, progress.faults),
        finished=progress.finished,
    )


def _fault(fault: Fault) -> pb.LogFault:
    return pb.LogFault(
        code=fault.code,
        message=fault.message,
        leaf_index=fault.leaf_index or 0,
        writer=fault.writer or "",
        sequence=fault.sequence or 0,
    )
