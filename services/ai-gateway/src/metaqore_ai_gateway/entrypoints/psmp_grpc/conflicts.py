"""`metaqore.psmp.v1.ConflictService`: what cannot stand together, and what is stuck, over gRPC."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

from dataclasses import dataclass

from metaqore.psmp.v1 import conflict_pb2 as pb
from metaqore.psmp.v1 import conflict_pb2_grpc
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import Commands, changed, committed, expected
from metaqore_ai_gateway.entrypoints.psmp_grpc.conflict_messages import (
    answered_conflicts,
    found_message,
    step_message,
    stuck_message,
)
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import CAUSES, CHOICES, SEVERITIES, chosen, required
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import bounded, few, identifier, invalid, wanted_page
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import moment_of
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_governance_core.contracts.psmp_commands import ResolveConflict
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller


@dataclass(frozen=True, slots=True)
class ConflictServicer(conflict_pb2_grpc.ConflictServiceServicer):
    """Parses, gives one command or reads, answers."""

    commands: Commands
    readings: Readings

    async def ListConflicts(self, request: pb.ListConflictsRequest, context: Context) -> pb.ListConflictsResponse:  # noqa: ARG002 - gRPC hands it over
        """Conflicts, the longest open first."""
        caller, project = current_caller(), bounded(request.project_id, "project_id") or None
        moment = await moment_of(self.readings, caller, request.at, "at", project)
        project = project or moment.project or None
        if moment.point is not None and project is None:
            raise invalid("project_id", "is missing: a point of the past is of one project.")
        found = await self.readings.conflicts(
            caller,
            project,
            wanted_page(request),
            severity=chosen(SEVERITIES, request.severity, "severity"),
            types=few(request.types, "types"),
            artifact=bounded(request.artifact_id, "artifact_id"),
            ended=request.ended,
            at=moment.point,
        )
        conflicts = [found_message(one, caller.organization) for one in found.found]
        return pb.ListConflictsResponse(conflicts=conflicts, next_page_token=found.next)

    async def GetConflict(self, request: pb.GetConflictRequest, context: Context) -> pb.GetConflictResponse:  # noqa: ARG002 - gRPC hands it over
        """One conflict."""
        caller = current_caller()
        found = await self.readings.conflict(caller, identifier(request.id, "id"))
        return pb.GetConflictResponse(conflict=found_message(found, caller.organization))

    async def ResolveConflict(self, request: pb.ResolveConflictRequest, context: Context) -> pb.ResolveConflictResponse:
        """Choose how a conflict ends."""

        def make() -> ResolveConflict:
            return ResolveConflict(
                name="conflict.resolve",
                expected_revision=expected(request),
                conflict=request.id,
                artifact=request.artifact_id,
                version=request.version,
                choice=required(CHOICES, request.choice, "choice").value,
                content_digest=request.content_digest or None,
                why=request.why,
            )

        answer = await self.commands.give(request, context, make)
        return pb.ResolveConflictResponse(
            committed=committed(answer),
            changed=[known.id for known in changed(answer, Kind.ARTIFACT)],
            steps=map(step_message, answer.steps),
            left=answered_conflicts(answer, current_caller().organization),
        )

    async def GetBlockingReport(
        self,
        request: pb.GetBlockingReportRequest,
        context: Context,  # noqa: ARG002 - gRPC hands it over
    ) -> pb.GetBlockingReportResponse:
        """Everything in a project that is stuck."""
        caller, project = current_caller(), bounded(request.project_id, "project_id")
        moment = await moment_of(self.readings, caller, request.at, "at", project)
        cause = chosen(CAUSES, request.cause, "cause")
        found, total = await self.readings.report(caller, project, wanted_page(request), cause=cause, at=moment.point)
        return pb.GetBlockingReportResponse(
            items=map(stuck_message, found.found), next_page_token=found.next, total=total
        )
