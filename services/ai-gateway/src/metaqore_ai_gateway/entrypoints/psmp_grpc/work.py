"""`metaqore.psmp.v1.WorkService`: tasks that wait for an agent, over gRPC."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

from dataclasses import dataclass

from metaqore.psmp.v1 import work_pb2 as pb
from metaqore.psmp.v1 import work_pb2_grpc
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import Commands, changed, committed, expected
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import TASK_STATES, chosen
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import (
    bounded,
    identifier,
    invalid,
    labels_of,
    wanted_labels,
    wanted_page,
)
from metaqore_ai_gateway.entrypoints.psmp_grpc.points import moment_of
from metaqore_ai_gateway.entrypoints.psmp_grpc.project_messages import task_message
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_governance_core.contracts import psmp_task_commands as asked
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller


@dataclass(frozen=True, slots=True)
class WorkServicer(work_pb2_grpc.WorkServiceServicer):
    """Parses, gives one command or reads, answers."""

    commands: Commands
    readings: Readings

    async def OpenTask(self, request: pb.OpenTaskRequest, context: Context) -> pb.OpenTaskResponse:
        """Record a task that waits."""

        def make() -> asked.OpenTask:
            return asked.OpenTask(
                name="task.open",
                title=request.title,
                description=request.description,
                labels=labels_of(request.labels),
            )

        answer = await self.commands.give(request, context, make, bounded(request.project_id, "project_id"))
        return pb.OpenTaskResponse(committed=committed(answer), task=_task(answer))

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> pb.GetTaskResponse:  # noqa: ARG002
        """One task."""
        caller, id_ = current_caller(), identifier(request.id, "id")
        moment = await moment_of(self.readings, caller, request.at, "at")
        known = await self.readings.task(caller, id_, moment.point)
        moment.check(known.project)
        return pb.GetTaskResponse(task=task_message(known))

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:  # noqa: ARG002
        """Tasks of a project."""
        caller, project = current_caller(), bounded(request.project_id, "project_id")
        moment = await moment_of(self.readings, caller, request.at, "at", project)
        found = await self.readings.tasks(
            caller,
            project,
            wanted_page(request),
            at=moment.point,
            state=chosen(TASK_STATES, request.state, "state"),
            labels=wanted_labels(request.labels),
        )
        return pb.ListTasksResponse(tasks=map(task_message, found.found), next_page_token=found.next)

    async def UpdateTask(self, request: pb.UpdateTaskRequest, context: Context) -> pb.UpdateTaskResponse:
        """Change title, description and labels."""

        def make() -> asked.DescribeTask:
            if not any(request.HasField(one) for one in ("title", "description", "labels")):
                raise invalid("title", "description or labels must be set.")
            return asked.DescribeTask(
                name="task.describe",
                expected_revision=expected(request),
                task=request.id,
                title=request.title if request.HasField("title") else None,
                description=request.description if request.HasField("description") else None,
                labels=labels_of(request.labels.labels) if request.HasField("labels") else None,
            )

        answer = await self.commands.give(request, context, make)
        return pb.UpdateTaskResponse(committed=committed(answer), task=_task(answer))

    async def ClaimTask(self, request: pb.ClaimTaskRequest, context: Context) -> pb.ClaimTaskResponse:
        """Take it for a time."""

        def make() -> asked.ClaimTask:
            return asked.ClaimTask(
                name="task.claim", expected_revision=expected(request), task=request.id, lease_us=request.lease_us
            )

        answer = await self.commands.give(request, context, make)
        return pb.ClaimTaskResponse(committed=committed(answer), task=_task(answer))

    async def ReleaseTask(self, request: pb.ReleaseTaskRequest, context: Context) -> pb.ReleaseTaskResponse:
        """Give a claim back."""

        def make() -> asked.ReleaseTask:
            return asked.ReleaseTask(name="task.release", expected_revision=expected(request), task=request.id)

        answer = await self.commands.give(request, context, make)
        return pb.ReleaseTaskResponse(committed=committed(answer), task=_task(answer))

    async def StartTask(self, request: pb.StartTaskRequest, context: Context) -> pb.StartTaskResponse:
        """The holder begins."""

        def make() -> asked.StartTask:
            return asked.StartTask(name="task.start", expected_revision=expected(request), task=request.id)

        answer = await self.commands.give(request, context, make)
        return pb.StartTaskResponse(committed=committed(answer), task=_task(answer))

    async def CompleteTask(self, request: pb.CompleteTaskRequest, context: Context) -> pb.CompleteTaskResponse:
        """The holder is done."""

        def make() -> asked.CompleteTask:
            return asked.CompleteTask(name="task.complete", expected_revision=expected(request), task=request.id)

        answer = await self.commands.give(request, context, make)
        return pb.CompleteTaskResponse(committed=committed(answer), task=_task(answer))

    async def FailTask(self, request: pb.FailTaskRequest, context: Context) -> pb.FailTaskResponse:
        """The holder could not do it."""

        def make() -> asked.FailTask:
            return asked.FailTask(
                name="task.fail", expected_revision=expected(request), task=request.id, error=request.error
            )

        answer = await self.commands.give(request, context, make)
        return pb.FailTaskResponse(committed=committed(answer), task=_task(answer))

    async def CancelTask(self, request: pb.CancelTaskRequest, context: Context) -> pb.CancelTaskResponse:
        """Nobody wants it any more."""

        def make() -> asked.CancelTask:
            return asked.CancelTask(
                name="task.cancel",
                expected_revision=expected(request),
                task=request.id,
                error=request.error or "cancelled",
            )

        answer = await self.commands.give(request, context, make)
        return pb.CancelTaskResponse(committed=committed(answer), task=_task(answer))


def _task(answer: Answer) -> pb.Task | None:
    return next((task_message(known) for known in changed(answer, Kind.TASK)), None)
