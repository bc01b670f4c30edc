"""The gRPC door: its services, and how their callers are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from metaqore.audit.v1 import audit_pb2_grpc
from metaqore.gateway.v1 import gateway_pb2_grpc
from metaqore_ai_gateway.entrypoints.grpc_audit import AuditServicer
from metaqore_ai_gateway.entrypoints.grpc_keys import KeyServicer
from metaqore_ai_gateway.entrypoints.grpc_tasks import TaskServicer
from metaqore_ai_gateway.service.authenticate import authenticate
from metaqore_ai_gateway.service.ports import Keys
from metaqore_governance_core.identity import Caller
from metaqore_mesh.grpc.server import Register

TASKS: Final = "metaqore.gateway.v1.TaskService"
KEYS: Final = "metaqore.gateway.v1.KeyService"
AUDIT: Final = "metaqore.audit.v1.AuditService"


@dataclass(frozen=True, slots=True)
class ApiKeyAuthenticator:
    """Knows a client by its API key, in `authorization: Bearer <key>` or `x-api-key`. No one speaks for another."""

    keys: Keys

    async def __call__(self, metadata: Mapping[str, str]) -> Caller:
        """The caller. Raises `missing_api_key` or `invalid_api_key`."""
        return authenticate(self.keys, metadata.get("authorization"), metadata.get("x-api-key"))


def services(tasks: TaskServicer, keys: KeyServicer, audit: AuditServicer) -> dict[str, Register]:
    """What the gateway's gRPC server serves."""
    return {
        TASKS: partial(gateway_pb2_grpc.add_TaskServiceServicer_to_server, tasks),
        KEYS: partial(gateway_pb2_grpc.add_KeyServiceServicer_to_server, keys),
        AUDIT: partial(audit_pb2_grpc.add_AuditServiceServicer_to_server, audit),
    }
