"""The auditor, asked over gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from metaqore.audit.v1 import audit_pb2 as pb
from metaqore.audit.v1.audit_pb2_grpc import AuditServiceStub
from metaqore_governance_core.identity import Caller, Scope
from metaqore_mesh.errors import call_errors
from metaqore_mesh.grpc.identity import mesh_metadata

TIMEOUT_S: Final = 5.0
IDEMPOTENT: Final = ("metaqore.audit.v1.AuditService",)
"""What a channel to the auditor may repeat: all of it only reads."""


@dataclass(frozen=True, slots=True)
class AuditorClient:
    """What this writer asks of the auditor. Raises `MetaQoreError` where it does not answer."""

    stub: AuditServiceStub
    timeout_s: float = TIMEOUT_S

    async def sealed_through(self, writer: str) -> int:
        """Up to which sequence signed checkpoints cover the records of `writer`; 0 for none."""
        with call_errors():
            answer = await self.stub.GetWriterProgress(
                pb.GetWriterProgressRequest(writer=writer), timeout=self.timeout_s
            )
        return int(answer.sealed_sequence)

    async def task_records(self, organization: str, task: str) -> list[bytes]:
        """The sealed records of a task, in canonical bytes."""
        gateway = Caller("gateway", organization, "gateway", frozenset({Scope.AUDIT_READ.value}))
        with call_errors():
            answer = await self.stub.GetTaskRecords(
                pb.GetTaskRecordsRequest(task_id=task), metadata=mesh_metadata(gateway), timeout=self.timeout_s
            )
        return [record.record for record in answer.records]
