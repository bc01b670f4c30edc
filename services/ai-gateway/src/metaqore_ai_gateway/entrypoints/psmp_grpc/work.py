"""`metaqore.psmp.v1.WorkService`: tasks that wait for an agent, over gRPC."""

# ruff: noqa: N802  names are the contract's

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from metaqore.psmp.v1 import work_pb2 as pb
from metaqore.psmp.v1 import work_pb2_grpc
from metaqore_ai_gateway.entrypoints.psmp_grpc.commands import Commands, changed, committed, expected
from metaqore_ai_gateway.entrypoints.psmp_grpc.enums import TASK_STATES, chosen
from metaqore_ai_gateway.entrypoints.psmp_grpc.fields import (
    bounded,
    described,
    identifier,
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
from metaqore_governance_core.contracts.psmp_command import command_name
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller

_R = TypeVar("_R", bound=Message)


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

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> pb.GetTaskResponse:  # noqa: ARG002 - gRPC hands it over
        """One task."""
        caller, id_ = current_caller(), identifier(request.id, "id")
        moment = await moment_of(self.readings, caller, request.at, "at")
        known = await self.readings.task(caller, id_, moment.point)
        moment.check(known.project)
        return pb.GetTaskResponse(task=task_message(known))

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:  # noqa: ARG002 - gRPC hands it over
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
            return asked.DescribeTask(
                name="task.describe",
                expected_revision=expected(request),
                task=request.id,
                **described(request, "title"),
            )

        answer = await self.commands.give(request, context, make)
        return pb.UpdateTaskResponse(committed=committed(answer), task=_task(answer))

    async def ClaimTask(self, request: pb.ClaimTaskRequest, context: Context) -> pb.ClaimTaskResponse:
        """Take it for a time."""
        return await self._given(asked.ClaimTask, request, context, pb.ClaimTaskResponse, lease_us=request.lease_us)

    async def ReleaseTask(self, request: pb.ReleaseTaskRequest, context: Context) -> pb.ReleaseTaskResponse:
        """Give a claim back."""
        return await self._given(asked.ReleaseTask, request, context, pb.ReleaseTaskResponse)

    async def StartTask(self, request: pb.StartTaskRequest, context: Context) -> pb.StartTaskResponse:
        """The holder begins."""
        return await self._given(asked.StartTask, request, context, pb.StartTaskResponse)

    async def CompleteTask(self, request: pb.CompleteTaskRequest, context: Context) -> pb.CompleteTaskResponse:
        """The holder is done."""
        return await self._given(asked.CompleteTask, request, context, pb.CompleteTaskResponse)

    async def FailTask(self, request: pb.FailTaskRequest, context: Context) -> pb.FailTaskResponse:
        """The holder could not do it."""
        return await self._given(asked.FailTask, request, context, pb.FailTaskResponse, error=request.error)

    async def CancelTask(self, request: pb.CancelTaskRequest, context: Context) -> pb.CancelTaskResponse:
        """Nobody wants it any more."""
        error = request.error or "cancelled"
        return await self._given(asked.CancelTask, request, context, pb.CancelTaskResponse, error=error)

    async def _given(
        self, command: type[Any], request: Any, context: Context, response: type[_R], **fields: object
    ) -> _R:
        """Give `command`, whose name its model knows, and answer with the task."""
        name = command_name(command)

        def make() -> Any:
            return command(name=name, task=request.id, expected_revision=expected(request), **fields)

        answer = await self.commands.give(request, context, make)
        told: dict[str, Any] = {"committed": committed(answer), "task": _task(answer)}
        return response(**told)


def _task(answer: Answer) -> pb.Task | None:
    return next((task_message(known) for known in changed(answer, Kind.TASK)), None)
