"""`metaqore.audit.v1.AuditService` for clients: reads are passed on to the auditor, so that they know one address."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, TypeVar

import grpc

from metaqore.audit.v1 import audit_pb2 as pb
from metaqore.audit.v1 import audit_pb2_grpc
from metaqore_ai_gateway.service.authenticate import require_scope
from metaqore_ai_gateway.service.while_known import CHECK_S, while_known
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Scope
from metaqore_mesh.errors import call_errors
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import Authenticator, current_caller, mesh_metadata, metadata_of

_T = TypeVar("_T")

LONGEST_S: Final = 30.0
LONGEST_STREAM_S: Final = 24 * 3600.0
"""For clients that name no deadline: one that follows a log may do so for a day."""


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Speaks to the auditor for the caller's own organization, whatever the request says; needs `audit:read`.

    A stream ends within `check_s` seconds of its key's end.
    """

    def __init__(
        self, auditor: audit_pb2_grpc.AuditServiceStub, authenticate: Authenticator, check_s: float = CHECK_S
    ) -> None:
        self._auditor = auditor
        self._authenticate = authenticate
        self._check_s = check_s

    async def GetReceipt(self, request: pb.GetReceiptRequest, context: Context) -> pb.GetReceiptResponse:
        """What a receipt stands for."""
        return await _passed(self._auditor.GetReceipt, request, context)

    async def GetTaskRecords(self, request: pb.GetTaskRecordsRequest, context: Context) -> pb.GetTaskRecordsResponse:
        """The sealed records of a task."""
        return await _passed(self._auditor.GetTaskRecords, request, context)

    async def ListRecords(
        self, request: pb.ListRecordsRequest, context: Context
    ) -> AsyncIterator[pb.ListRecordsResponse]:
        """Records in the log's order."""
        async with aclosing(self._streamed(self._auditor.ListRecords, request, context)) as told:
            async for response in told:
                yield response

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Context) -> pb.GetCheckpointResponse:
        """A signed checkpoint."""
        return await _passed(self._auditor.GetCheckpoint, request, context)

    async def GetInclusionProof(
        self, request: pb.GetInclusionProofRequest, context: Context
    ) -> pb.GetInclusionProofResponse:
        """The inclusion path of a leaf."""
        return await _passed(self._auditor.GetInclusionProof, request, context)

    async def GetConsistencyProof(
        self, request: pb.GetConsistencyProofRequest, context: Context
    ) -> pb.GetConsistencyProofResponse:
        """The consistency path between two sizes."""
        return await _passed(self._auditor.GetConsistencyProof, request, context)

    async def VerifyLog(self, request: pb.VerifyLogRequest, context: Context) -> AsyncIterator[pb.VerifyLogResponse]:
        """What the auditor finds when it reads the log again."""
        async with aclosing(self._streamed(self._auditor.VerifyLog, request, context)) as told:
            async for response in told:
                yield response

    def _streamed(
        self, method: Callable[..., grpc.aio.UnaryStreamCall[Any, _T]], request: object, context: Context
    ) -> AsyncGenerator[_T, None]:
        async def check() -> None:
            await self._authenticate(metadata_of(context))

        return while_known(_streamed(method, request, context), check, self._check_s)

    async def GetWriterProgress(
        self,
        request: pb.GetWriterProgressRequest,  # noqa: ARG002  the contract's
        context: Context,  # noqa: ARG002  the contract's
    ) -> pb.GetWriterProgressResponse:
        """Not for clients."""
        raise MetaQoreError(
            "inside_mesh_only", "How far a writer is sealed is told inside the mesh only.", kind=ErrorKind.FORBIDDEN
        )


async def _passed(method: Callable[..., Awaitable[_T]], request: object, context: Context) -> _T:
    with call_errors():
        return await method(request, metadata=_metadata(), timeout=context.time_remaining() or LONGEST_S)


async def _streamed(
    method: Callable[..., grpc.aio.UnaryStreamCall[Any, _T]], request: object, context: Context
) -> AsyncGenerator[_T, None]:
    call = method(request, metadata=_metadata(), timeout=context.time_remaining() or LONGEST_STREAM_S)
    try:
        with call_errors():
            async for response in call:
                yield response
    finally:
        call.cancel()  # does nothing where it has ended


def _metadata() -> tuple[tuple[str, str], ...]:
    caller = current_caller()
    require_scope(caller, Scope.AUDIT_READ)
    return mesh_metadata(caller)
