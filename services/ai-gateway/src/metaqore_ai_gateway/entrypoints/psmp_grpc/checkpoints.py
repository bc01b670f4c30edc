"""`metaqore.psmp.v1.CheckpointService`: named points of a project, over gRPC."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

from dataclasses import dataclass

from metaqore.psmp.v1 import checkpoint_pb2 as pb
from metaqore.psmp.v1 import checkpoint_pb2_grpc
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import Commands, committed, expected
from metaqore_ai_gateway.entrypoints.psmp_grpc.conflict_messages import Names, answered_conflicts
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import bounded, identifier, wanted_page
from metaqore_ai_gateway.entrypoints.psmp_grpc.history_messages import change_message, difference_message
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import moment_of
from metaqore_ai_gateway.entrypoints.psmp_grpc.project_messages import checkpoint_message
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.points import AtVersion
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_governance_core.contracts.psmp_commands import RestoreCheckpoint, TakeCheckpoint
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller


@dataclass(frozen=True, slots=True)
class CheckpointServicer(checkpoint_pb2_grpc.CheckpointServiceServicer):
    """Parses, gives one command or reads, answers."""

    commands: Commands
    readings: Readings

    async def TakeCheckpoint(self, request: pb.TakeCheckpointRequest, context: Context) -> pb.TakeCheckpointResponse:
        """Name a version of the project."""

        def make() -> TakeCheckpoint:
            return TakeCheckpoint(
                name="checkpoint.take",
                checkpoint_name=request.name,
                description=request.description,
                at_version=request.at_version if request.HasField("at_version") else None,
            )

        answer = await self.commands.give(request, context, make, bounded(request.project_id, "project_id"))
        taken = answer.checkpoint
        return pb.TakeCheckpointResponse(
            committed=committed(answer),
            checkpoint=None if taken is None else checkpoint_message(taken, answer.project),
        )

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Context) -> pb.GetCheckpointResponse:  # noqa: ARG002 - gRPC hands it over
        """One checkpoint."""
        project, found = await self.readings.checkpoint(current_caller(), identifier(request.id, "id"))
        return pb.GetCheckpointResponse(checkpoint=checkpoint_message(found, project))

    async def ListCheckpoints(self, request: pb.ListCheckpointsRequest, context: Context) -> pb.ListCheckpointsResponse:  # noqa: ARG002 - gRPC hands it over
        """Checkpoints of a project, newest first."""
        project = bounded(request.project_id, "project_id") or DEFAULT_PROJECT
        found = await self.readings.checkpoints(current_caller(), project, wanted_page(request))
        checkpoints = [checkpoint_message(one, project) for one in found.found]
        return pb.ListCheckpointsResponse(checkpoints=checkpoints, next_page_token=found.next)

    async def DiffCheckpoint(self, request: pb.DiffCheckpointRequest, context: Context) -> pb.DiffCheckpointResponse:  # noqa: ARG002 - gRPC hands it over
        """What has changed since."""
        caller, wanted = current_caller(), wanted_page(request)
        project, since = await self.readings.checkpoint(caller, identifier(request.id, "id"))
        moment = await moment_of(self.readings, caller, request.to, "to", project)
        found = await self.readings.diff(caller, project, AtVersion(since.version), moment.point, wanted)
        return pb.DiffCheckpointResponse(changes=map(change_message, found.found), next_page_token=found.next)

    async def RestoreCheckpoint(
        self, request: pb.RestoreCheckpointRequest, context: Context
    ) -> pb.RestoreCheckpointResponse:
        """Bring the bodies of then back."""

        def make() -> RestoreCheckpoint:
            return RestoreCheckpoint(
                name="checkpoint.restore",
                checkpoint=request.id,
                expected_version=expected(request),
                why=request.why,
            )

        answer = await self.commands.give(request, context, make)
        organization = current_caller().organization
        names = Names(organization, answer.project)
        return pb.RestoreCheckpointResponse(
            committed=committed(answer),
            changes=[difference_message(one, names) for one in answer.differences],
            conflicts=answered_conflicts(answer, organization),
        )
