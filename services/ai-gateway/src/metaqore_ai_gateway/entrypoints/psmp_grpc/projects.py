"""`metaqore.psmp.v1.ProjectService`: the life of projects over gRPC."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

from dataclasses import dataclass

from metaqore.psmp.v1 import project_pb2 as pb
from metaqore.psmp.v1 import project_pb2_grpc
from metaqore_ai_gateway.entrypoints.psmp_grpc.asked import policy
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import Commands, changed, committed, expected
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import MODES, PROJECT_STATES, chosen, required
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import (
    described,
    identifier,
    invalid,
    labels_of,
    wanted_labels,
    wanted_page,
)
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import moment_of
from metaqore_ai_gateway.entrypoints.psmp_grpc.project_messages import project_message
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_governance_core.contracts import psmp_project_commands as asked
from metaqore_governance_core.psmp.project import Mode
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller


@dataclass(frozen=True, slots=True)
class ProjectServicer(project_pb2_grpc.ProjectServiceServicer):
    """Parses, gives one command or reads, answers."""

    commands: Commands
    readings: Readings

    async def CreateProject(self, request: pb.CreateProjectRequest, context: Context) -> pb.CreateProjectResponse:
        """Begin a project."""

        def make() -> asked.CreateProject:
            return asked.CreateProject(
                name="project.create",
                project_name=request.name,
                description=request.description,
                labels=labels_of(request.labels),
                mode=(chosen(MODES, request.mode, "mode") or Mode.STRICT).value,
                policy=policy(request.policy),
            )

        answer = await self.commands.give(request, context, make)
        return pb.CreateProjectResponse(committed=committed(answer), project=_project(answer))

    async def GetProject(self, request: pb.GetProjectRequest, context: Context) -> pb.GetProjectResponse:  # noqa: ARG002 - gRPC hands it over
        """One project."""
        caller, id_ = current_caller(), identifier(request.id, "id")
        moment = await moment_of(self.readings, caller, request.at, "at", id_)
        return pb.GetProjectResponse(project=project_message(await self.readings.project(caller, id_, moment.point)))

    async def ListProjects(self, request: pb.ListProjectsRequest, context: Context) -> pb.ListProjectsResponse:  # noqa: ARG002 - gRPC hands it over
        """The organization's projects."""
        found = await self.readings.projects(
            current_caller(),
            wanted_page(request),
            state=chosen(PROJECT_STATES, request.state, "state"),
            labels=wanted_labels(request.labels),
        )
        return pb.ListProjectsResponse(projects=map(project_message, found.found), next_page_token=found.next)

    async def UpdateProject(self, request: pb.UpdateProjectRequest, context: Context) -> pb.UpdateProjectResponse:
        """Change description and labels."""

        def make() -> asked.DescribeProject:
            return asked.DescribeProject(
                name="project.describe", expected_revision=expected(request), **described(request)
            )

        answer = await self.commands.give_to_project(request, context, make, request.id)
        return pb.UpdateProjectResponse(committed=committed(answer), project=_project(answer))

    async def FreezeProject(self, request: pb.FreezeProjectRequest, context: Context) -> pb.FreezeProjectResponse:
        """Let nothing in it change."""

        def make() -> asked.FreezeProject:
            return asked.FreezeProject(name="project.freeze", expected_revision=expected(request), why=request.why)

        answer = await self.commands.give_to_project(request, context, make, request.id)
        return pb.FreezeProjectResponse(committed=committed(answer), project=_project(answer))

    async def UnfreezeProject(self, request: pb.UnfreezeProjectRequest, context: Context) -> pb.UnfreezeProjectResponse:
        """Let it change again."""

        def make() -> asked.UnfreezeProject:
            return asked.UnfreezeProject(name="project.unfreeze", expected_revision=expected(request), why=request.why)

        answer = await self.commands.give_to_project(request, context, make, request.id)
        return pb.UnfreezeProjectResponse(committed=committed(answer), project=_project(answer))

    async def SetProjectMode(self, request: pb.SetProjectModeRequest, context: Context) -> pb.SetProjectModeResponse:
        """Change the mode."""

        def make() -> asked.SetProjectMode:
            return asked.SetProjectMode(
                name="project.set_mode",
                expected_revision=expected(request),
                mode=required(MODES, request.mode, "mode").value,
                why=request.why,
            )

        answer = await self.commands.give_to_project(request, context, make, request.id)
        return pb.SetProjectModeResponse(committed=committed(answer), project=_project(answer))

    async def SetProjectPolicy(
        self, request: pb.SetProjectPolicyRequest, context: Context
    ) -> pb.SetProjectPolicyResponse:
        """Replace the policy."""

        def make() -> asked.SetProjectPolicy:
            if not request.HasField("policy"):
                raise invalid("policy", "is missing.")
            return asked.SetProjectPolicy(
                name="project.set_policy",
                expected_revision=expected(request),
                policy=policy(request.policy),
                why=request.why,
            )

        answer = await self.commands.give_to_project(request, context, make, request.id)
        return pb.SetProjectPolicyResponse(committed=committed(answer), project=_project(answer))

    async def ArchiveProject(self, request: pb.ArchiveProjectRequest, context: Context) -> pb.ArchiveProjectResponse:
        """End it."""

        def make() -> asked.ArchiveProject:
            return asked.ArchiveProject(
                name="project.archive",
                expected_revision=expected(request),
                cascade=request.cascade,
                why=request.why,
            )

        answer = await self.commands.give_to_project(request, context, make, request.id)
        return pb.ArchiveProjectResponse(committed=committed(answer), project=_project(answer), ended=answer.ended)


def _project(answer: Answer) -> pb.Project | None:
    return next((project_message(known) for known in changed(answer, Kind.PROJECT)), None)
