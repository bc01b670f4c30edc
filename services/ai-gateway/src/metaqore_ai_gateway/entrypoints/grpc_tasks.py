"""`metaqore.gateway.v1.TaskService`: governed tasks over gRPC."""

# ruff: noqa: N802, ARG002  names and arguments are the contract's

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from metaqore.gateway.v1 import gateway_pb2 as pb
from metaqore.gateway.v1 import gateway_pb2_grpc
from metaqore_ai_gateway.adapters.task_observer import count_refused
from metaqore_ai_gateway.domain.chat import ChatTask, Envelope, chat_from_body
from metaqore_ai_gateway.domain.task_request import TaskDefaults, check_project
from metaqore_ai_gateway.domain.task_view import Page, page_size, read_page_token
from metaqore_ai_gateway.entrypoints.grpc_kept import KeptResponses, responses_in
from metaqore_ai_gateway.entrypoints.grpc_messages import (
    accepted,
    chat_body,
    concluded,
    label_of,
    piece,
    state_of,
    task_message,
)
from metaqore_ai_gateway.entrypoints.http_answer import encode_json
from metaqore_ai_gateway.service.answer_text import answer_text
from metaqore_ai_gateway.service.authenticate import require_scope
from metaqore_ai_gateway.service.events import Chunk, Concluded, Decided
from metaqore_ai_gateway.service.idempotency import own_key
from metaqore_ai_gateway.service.ports import Idempotency
from metaqore_ai_gateway.service.receipt_token import token
from metaqore_ai_gateway.service.run_claim import Govern
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller, Door, Scope
from metaqore_governance_core.task import TaskState
from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import current_caller

RECEIPT_KEY: Final = "metaqore-receipt"

Responses = AsyncGenerator[pb.SubmitTaskResponse, None]


@dataclass(frozen=True, slots=True)
class TaskServicer(gateway_pb2_grpc.TaskServiceServicer):
    """Parses, calls one use case, answers. The organization is that of the caller's key."""

    govern: Govern
    idempotency: Idempotency
    get: GetTask
    list: ListTasks
    defaults: TaskDefaults
    new_id: Callable[[], str]

    async def SubmitTask(self, request: pb.SubmitTaskRequest, context: Context) -> Responses:
        """Acceptance, pieces, outcome. The client's deadline is the task's; a client that leaves cancels it."""
        caller = current_caller()
        try:
            require_scope(caller, Scope.TASKS_SUBMIT)
            if request.propose_files:
                require_scope(caller, Scope.PSMP_WRITE)
            task = self._task(request, context)
        except MetaQoreError as error:
            count_refused(Door.GRPC, error)
            raise
        answered = self._once(caller, task, request, context) if request.idempotency_key else None
        async with aclosing(answered or self._governed(caller, task, context, None)) as responses:
            async for response in responses:
                yield response

    async def GetTask(self, request: pb.GetTaskRequest, context: Context) -> pb.GetTaskResponse:
        """One task of the caller's organization."""
        return pb.GetTaskResponse(task=task_message(await self.get(current_caller(), request.id)))

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:
        """A page of tasks, newest first."""
        page = Page(page_size(request.page_size), read_page_token(request.page_token), state_of(request.state))
        found, next_token = await self.list(current_caller(), page)
        return pb.ListTasksResponse(tasks=map(task_message, found), next_page_token=next_token)

    def _task(self, request: pb.SubmitTaskRequest, context: Context) -> ChatTask:
        left_s = context.time_remaining()
        deadline_s = self.defaults.deadline_s if left_s is None else min(left_s, self.defaults.longest_deadline_s)
        envelope = Envelope(
            id=self.new_id(),
            door=Door.GRPC,
            deadline_s=deadline_s,
            label=label_of(request.sensitivity),
            project=check_project(request.project or None),
            propose_files=request.propose_files,
        )
        body = chat_body(request, self.defaults.model)
        return chat_from_body(body, encode_json(body), envelope)

    async def _once(self, caller: Caller, task: ChatTask, request: pb.SubmitTaskRequest, context: Context) -> Responses:
        kept = KeptResponses(self.idempotency, caller.organization, own_key(caller, request.idempotency_key))
        stored = await kept.begin(request)
        if stored is not None:
            await context.send_initial_metadata(((RECEIPT_KEY, stored.headers["receipt"]),))
            for response in responses_in(stored.body):
                yield response
            return
        try:
            async with aclosing(self._governed(caller, task, context, kept)) as responses:
                async for response in responses:
                    yield response
        finally:
            await kept.close()

    async def _governed(
        self, caller: Caller, task: ChatTask, context: Context, kept: KeptResponses | None
    ) -> Responses:
        receipt_token = ""
        async with aclosing(self.govern(caller, task)) as events:
            async for event in events:
                response: pb.SubmitTaskResponse | None = None
                if type(event) is Decided:
                    receipt_token = token(event.receipt)
                    context.set_trailing_metadata(((RECEIPT_KEY, receipt_token),))
                    await context.send_initial_metadata(((RECEIPT_KEY, receipt_token),))
                    response = accepted(event, receipt_token) if event.permitted else None
                elif type(event) is Chunk:
                    text = answer_text(event.data)
                    response = piece(text) if text else None
                elif type(event) is Concluded:
                    error = event.outcome.error
                    if event.outcome.state is TaskState.DENIED and error is not None:
                        try:
                            raise error
                        finally:
                            del event, error  # its traceback leads here: led back, it would keep the task's text
                    response = concluded(event.outcome)
                if response is None:
                    continue
                if kept is not None:
                    kept.add(response)
                    if type(event) is Concluded and event.outcome.state is TaskState.DONE:
                        await kept.keep(receipt_token)
                yield response
