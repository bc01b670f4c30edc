"""`metaqore.gateway.v1.KeyService`: API keys over gRPC."""

# ruff: noqa: N802, ARG002  names and arguments are the contract's

from __future__ import annotations

from dataclasses import dataclass

from metaqore.gateway.v1 import gateway_pb2 as pb
from metaqore.gateway.v1 import gateway_pb2_grpc
from metaqore_ai_gateway.entrypoints.grpc_messages import key_message
from metaqore_ai_gateway.service.keys import CreateKey, ListKeys, RevokeKey
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller


@dataclass(frozen=True, slots=True)
class KeyServicer(gateway_pb2_grpc.KeyServiceServicer):
    """Parses, calls one use case, answers."""

    create: CreateKey
    list: ListKeys
    revoke: RevokeKey

    async def CreateKey(self, request: pb.CreateKeyRequest, context: Context) -> pb.CreateKeyResponse:
        """A new key, with its secret, which is shown this once."""
        scopes = frozenset(request.scopes)
        key, secret = await self.create(current_caller(), request.caller, scopes, request.organization)
        return pb.CreateKeyResponse(key=key_message(key), secret=secret)

    async def ListKeys(self, request: pb.ListKeysRequest, context: Context) -> pb.ListKeysResponse:
        """The organization's keys, revoked ones too."""
        return pb.ListKeysResponse(keys=map(key_message, await self.list(current_caller())))

    async def RevokeKey(self, request: pb.RevokeKeyRequest, context: Context) -> pb.RevokeKeyResponse:
        """Revoke a key; it is of no use any more within about a second."""
        return pb.RevokeKeyResponse(key=key_message(await self.revoke(current_caller(), request.id)))
