"""The Python client of the gateway's gRPC services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import grpc

from metaqore.audit.v1 import audit_pb2 as audit
from metaqore.audit.v1 import audit_pb2_grpc as audit_grpc
from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore.gateway.v1 import gateway_pb2_grpc as gateway_grpc
from metaqore_cli.connection import Connection
from metaqore_mesh.errors import call_errors

DEADLINE_S = 30.0
"""For every call but the ones that run a model or follow the log."""

TASK_DEADLINE_S = 600.0

RECEIPT_METADATA = "metaqore-receipt"


class SubmittedTask:
    """Acceptance, pieces of the answer, outcome, as they come. A denial raises `MetaQoreError` with its reasons."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[gateway.SubmitTaskResponse]:
        with call_errors():
            yield from self._call

    def receipt_token(self) -> str | None:
        """The receipt in the head of the answer, which a denial has too; None where nothing was decided."""
        return dict(self._call.initial_metadata() or ()).get(RECEIPT_METADATA)


class Client:
    """Blocking calls to one gateway; errors are `MetaQoreError`. Close it, or use it as a context manager."""

    def __init__(self, connection: Connection, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._channel = grpc.insecure_channel(connection.grpc)
        channel: Any = self._channel
        self._metadata = (("authorization", f"Bearer {connection.api_key}"),)
        # The stubs are typed for grpc.aio; over a blocking channel the same calls block.
        self._tasks: Any = gateway_grpc.TaskServiceStub(channel)
        self._keys: Any = gateway_grpc.KeyServiceStub(channel)
        self._audit: Any = audit_grpc.AuditServiceStub(channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def submit_task(self, request: gateway.SubmitTaskRequest) -> SubmittedTask:
        """Sends a task; iterate over what is returned."""
        return SubmittedTask(self._tasks.SubmitTask(request, timeout=TASK_DEADLINE_S, metadata=self._metadata))

    def get_task(self, task_id: str) -> gateway.Task:
        """One task of the caller's organization."""
        with call_errors():
            found: gateway.GetTaskResponse = self._tasks.GetTask(gateway.GetTaskRequest(id=task_id), **self._call)
        return found.task

    def list_tasks(self, limit: int) -> list[gateway.Task]:
        """The newest `limit` tasks."""
        found: list[gateway.Task] = []
        token = ""
        with call_errors():
            while len(found) < limit:
                ask = gateway.ListTasksRequest(page_size=min(limit - len(found), 1000), page_token=token)
                page = self._tasks.ListTasks(ask, **self._call)
                found.extend(page.tasks)
                token = page.next_page_token
                if not token:
                    break
        return found

    def create_key(self, caller: str, scopes: list[str], organization: str) -> gateway.CreateKeyResponse:
        """A new API key; its secret is in the answer, and nowhere else."""
        with call_errors():
            ask = gateway.CreateKeyRequest(caller=caller, scopes=scopes, organization=organization)
            made: gateway.CreateKeyResponse = self._keys.CreateKey(ask, **self._call)
        return made

    def list_keys(self) -> list[gateway.ApiKey]:
        """The keys of the caller's organization, revoked ones too."""
        with call_errors():
            return list(self._keys.ListKeys(gateway.ListKeysRequest(), **self._call).keys)

    def revoke_key(self, key_id: str) -> gateway.ApiKey:
        """Ends a key."""
        with call_errors():
            ended: gateway.RevokeKeyResponse = self._keys.RevokeKey(gateway.RevokeKeyRequest(id=key_id), **self._call)
        return ended.key

    def get_receipt(self, receipt_id: str) -> audit.GetReceiptResponse:
        """What a receipt stands for, with proofs. Raises `receipt_not_sealed` until the log holds it."""
        with call_errors():
            ask = audit.GetReceiptRequest(receipt_id=receipt_id)
            found: audit.GetReceiptResponse = self._audit.GetReceipt(ask, **self._call)
        return found

    def records(self, request: audit.ListRecordsRequest) -> Iterator[audit.LogRecord]:
        """Records in the log's order; with `follow` it goes on for ever."""
        timeout = None if request.follow else TASK_DEADLINE_S
        with call_errors():
            for page in self._audit.ListRecords(request, timeout=timeout, metadata=self._metadata):
                yield from page.records

    def checkpoint(self) -> str:
        """The newest signed checkpoint, as a C2SP note."""
        with call_errors():
            ask = audit.GetCheckpointRequest()
            found: audit.GetCheckpointResponse = self._audit.GetCheckpoint(ask, **self._call)
        return found.checkpoint

    def consistency_path(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """The proof that the log of `new_size` records begins with the one of `old_size` (RFC 9162 section 2.1.4)."""
        with call_errors():
            ask = audit.GetConsistencyProofRequest(old_size=old_size, new_size=new_size)
            found: audit.GetConsistencyProofResponse = self._audit.GetConsistencyProof(ask, **self._call)
        return tuple(found.consistency_path)

    def verify_log(self) -> Iterator[audit.VerifyLogResponse]:
        """What the auditor finds when it reads the whole log again."""
        with call_errors():
            yield from self._audit.VerifyLog(audit.VerifyLogRequest(), timeout=TASK_DEADLINE_S, metadata=self._metadata)

    @property
    def _call(self) -> dict[str, Any]:
        return {"timeout": self._deadline_s, "metadata": self._metadata}
