"""The calls of `metaqore.psmp.v1.ArtifactService` that bring a version from one phase to another."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore.psmp.v1 import artifact_pb2_grpc
from metaqore_ai_gateway.entrypoints.psmp_grpc.artifact_messages import artifact_message
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import Commands, changed, committed, expected
from metaqore_ai_gateway.entrypoints.psmp_grpc.conflict_messages import answered_conflicts
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_governance_core.contracts import psmp_artifact_commands as asked
from metaqore_governance_core.contracts.psmp_command import command_name
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller

_R = TypeVar("_R", bound=Message)


@dataclass(frozen=True)
class PhaseCalls(artifact_pb2_grpc.ArtifactServiceServicer):
    """Each is one command to one version."""

    commands: Commands
    readings: Readings

    async def WithdrawArtifact(
        self, request: pb.WithdrawArtifactRequest, context: Context
    ) -> pb.WithdrawArtifactResponse:
        """Take a draft back."""
        return await self._explained(asked.WithdrawArtifact, request, context, pb.WithdrawArtifactResponse)

    async def RejectArtifact(self, request: pb.RejectArtifactRequest, context: Context) -> pb.RejectArtifactResponse:
        """Turn a proposal down."""
        return await self._explained(asked.RejectArtifact, request, context, pb.RejectArtifactResponse)

    async def ApproveArtifact(self, request: pb.ApproveArtifactRequest, context: Context) -> pb.ApproveArtifactResponse:
        """Approve a proposal in a role."""
        return await self._given(
            asked.ApproveArtifact,
            request,
            context,
            pb.ApproveArtifactResponse,
            version=request.version,
            role=request.role,
        )

    async def VetoArtifact(self, request: pb.VetoArtifactRequest, context: Context) -> pb.VetoArtifactResponse:
        """Forbid that a proposal becomes active."""
        return await self._explained(asked.VetoArtifact, request, context, pb.VetoArtifactResponse)

    async def LiftArtifactVeto(
        self, request: pb.LiftArtifactVetoRequest, context: Context
    ) -> pb.LiftArtifactVetoResponse:
        """Take one's own veto back."""
        return await self._explained(asked.LiftArtifactVeto, request, context, pb.LiftArtifactVetoResponse)

    async def ActivateArtifact(
        self, request: pb.ActivateArtifactRequest, context: Context
    ) -> pb.ActivateArtifactResponse:
        """Let a proposal count."""
        return await self._given(
            asked.ActivateArtifact, request, context, pb.ActivateArtifactResponse, version=request.version
        )

    async def ActivateArtifactOverWarning(
        self, request: pb.ActivateArtifactOverWarningRequest, context: Context
    ) -> pb.ActivateArtifactOverWarningResponse:
        """Flexible: let a proposal count although warnings are open."""
        response = pb.ActivateArtifactOverWarningResponse
        return await self._explained(asked.ActivateArtifactOverWarning, request, context, response)

    async def ActivateOwnArtifact(
        self, request: pb.ActivateOwnArtifactRequest, context: Context
    ) -> pb.ActivateOwnArtifactResponse:
        """Flexible: let one's own proposal count."""
        return await self._explained(asked.ActivateOwnArtifact, request, context, pb.ActivateOwnArtifactResponse)

    async def ProposeAndActivateArtifact(
        self, request: pb.ProposeAndActivateArtifactRequest, context: Context
    ) -> pb.ProposeAndActivateArtifactResponse:
        """Flexible: offer a draft and let it count in one."""
        response = pb.ProposeAndActivateArtifactResponse
        return await self._explained(asked.ProposeAndActivateArtifact, request, context, response)

    async def DeprecateArtifact(
        self, request: pb.DeprecateArtifactRequest, context: Context
    ) -> pb.DeprecateArtifactResponse:
        """Let the active version count no more."""
        return await self._explained(asked.DeprecateArtifact, request, context, pb.DeprecateArtifactResponse)

    async def ArchiveArtifact(self, request: pb.ArchiveArtifactRequest, context: Context) -> pb.ArchiveArtifactResponse:
        """End a deprecated version."""
        return await self._explained(asked.ArchiveArtifact, request, context, pb.ArchiveArtifactResponse)

    async def RetireArtifact(self, request: pb.RetireArtifactRequest, context: Context) -> pb.RetireArtifactResponse:
        """End every version."""
        return await self._given(asked.RetireArtifact, request, context, pb.RetireArtifactResponse, why=request.why)

    async def EraseArtifactBody(
        self, request: pb.EraseArtifactBodyRequest, context: Context
    ) -> pb.EraseArtifactBodyResponse:
        """Destroy the key of a body."""
        return await self._explained(asked.EraseArtifactBody, request, context, pb.EraseArtifactBodyResponse)

    async def _explained(self, command: type[Any], request: Any, context: Context, response: type[_R]) -> _R:
        return await self._given(command, request, context, response, version=request.version, why=request.why)

    async def _given(
        self, command: type[Any], request: Any, context: Context, response: type[_R], **fields: object
    ) -> _R:
        """Give `command`, whose name its model knows, and answer with the artifact."""
        name = command_name(command)

        def make() -> Any:
            return command(name=name, artifact=request.artifact_id, expected_revision=expected(request), **fields)

        answer = await self.commands.give(request, context, make)
        told: dict[str, Any] = {
            "committed": committed(answer),
            "artifact": next(map(artifact_message, changed(answer, Kind.ARTIFACT)), None),
        }
        if "conflicts" in response.DESCRIPTOR.fields_by_name:
            told["conflicts"] = answered_conflicts(answer, current_caller().organization)
        return response(**told)
