"""Tasks over REST: those that wait for an agent, and those that came through a door."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Query, Response
from pydantic import Field

from metaqore_ai_gateway.domain.task_view import Page, TaskView, read_page_token
from metaqore_ai_gateway.entrypoints.psmp_rest.answers import CHANGED, READ_ONE, created
from metaqore_ai_gateway.entrypoints.psmp_rest.door import Door, PsmpDoor
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import NoneAsked, ProjectId, Step, TaskPath
from metaqore_ai_gateway.entrypoints.psmp_rest.labels import LabelFilter, read_labels
from metaqore_ai_gateway.entrypoints.psmp_rest.paging import NoQuery, PageQuery
from metaqore_ai_gateway.entrypoints.psmp_rest.points import AtText, moment_of
from metaqore_ai_gateway.entrypoints.psmp_rest.sent import Changing, Matching, Sender, Sending, etag
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.psmp_rest.task_views import (
    Cancellation,
    ChangedTask,
    Claim,
    Failure,
    NewTask,
    Task,
    TaskPage,
    TaskPatch,
    WorkStateText,
    door_fields,
    work_fields,
)
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.refusals import CHANGE, MATCHED, READ, SEND
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_governance_core.contracts.psmp_commands import Command
from metaqore_governance_core.contracts.psmp_task_commands import (
    CancelTask,
    ClaimTask,
    CompleteTask,
    DescribeTask,
    FailTask,
    OpenTask,
    ReleaseTask,
    StartTask,
)
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Scope
from metaqore_governance_core.psmp.work import WorkState
from metaqore_governance_core.task import TaskState

router = strict_router("tasks")

_WAITING = frozenset({"open", "claimed"})


class TaskQuery(PageQuery):
    """Which tasks. `project_id`, `label`, `at`, and the states `open` and `claimed` ask for those of a project."""

    project_id: ProjectId | None = None
    state: WorkStateText | None = None
    label: LabelFilter = Field([])
    at: AtText = None

    @property
    def of_project(self) -> bool:
        """Whether the tasks of a project are asked for, and not those that came through a door."""
        return self.project_id is not None or bool(self.label) or self.at is not None or self.state in _WAITING


class PastQuery(NoQuery):
    """When."""

    at: AtText = None


class CancelQuery(NoQuery):
    """How a task is cancelled."""

    dry_run: bool = False


@router.get("/tasks", responses=READ)
async def list_tasks(door: Door, caller: KnownCaller, query: Annotated[TaskQuery, Query()]) -> TaskPage:
    """Tasks of a project by id, or, where none is asked for, those that came through a door, newest first."""
    if query.of_project:
        moment = await moment_of(door.readings, caller, query.at, query.project_id or "")
        state = None if query.state is None else WorkState(query.state)
        labels = read_labels(query.label)
        known = await door.readings.tasks(
            caller, query.project_id or "", query.wanted, at=moment.point, state=state, labels=labels
        )
        return TaskPage(tasks=[_work(one) for one in known.found], next_page_token=known.next)
    ran = None if query.state is None else TaskState(query.state)
    page = Page(query.page_size, read_page_token(query.page_token), ran)
    found, token = await door.list_tasks(caller, page)
    return TaskPage(tasks=[Task.model_validate(door_fields(one)) for one in found], next_page_token=token)


@router.post("/tasks", responses=SEND | created(ChangedTask), status_code=201)
async def open_task(send: Sending, body: NewTask, _: NoneAsked) -> ChangedTask:
    """Record a task that waits for an agent; it runs nothing. Verb `open` of `psmp.task`."""
    command = OpenTask(name="task.open", title=body.title, description=body.description, labels=body.labels)
    answer = await send(command, project=body.project_id or "", dry_run=body.dry_run)
    known = answer.changed[0]
    send.created(f"/api/v1/tasks/{known.id}", dry_run=body.dry_run)
    return ChangedTask.model_validate(work_fields(known) | {"dry_run": body.dry_run})


@router.get("/tasks/{task_id}", responses=READ | READ_ONE)
async def get_task(
    door: Door, caller: KnownCaller, task_id: TaskPath, query: Annotated[PastQuery, Query()], response: Response
) -> Task:
    """One task: as its project has it, with its run where it came through a door."""
    if Scope.PSMP_READ not in caller.scopes:
        return Task.model_validate(door_fields(await door.get_task(caller, task_id)))
    known = await _known(door, caller, task_id, query.at)
    if known is None:
        return Task.model_validate(door_fields(await door.get_task(caller, task_id)))
    view = Task.model_validate(work_fields(known, await _run(door, caller, task_id)))
    response.headers["etag"] = etag(known.revision, view)
    return view


@router.patch("/tasks/{task_id}", responses=MATCHED | CHANGED)
async def update_task(send: Matching, task_id: TaskPath, body: TaskPatch, _: NoneAsked) -> ChangedTask:
    """Change title, description and labels. Verb `describe` of `psmp.task`."""
    if body.title is None and body.description is None and body.labels is None:
        raise MetaQoreError("nothing_to_change", "Send a title, a description or labels.")
    command = DescribeTask(
        name="task.describe",
        task=task_id,
        title=body.title,
        description=body.description,
        labels=body.labels,
        expected_revision=send.expected(None),
    )
    return await _done(send, command, dry_run=body.dry_run)


@router.delete("/tasks/{task_id}", responses=MATCHED | CHANGED)
async def delete_task(send: Matching, task_id: TaskPath, query: Annotated[CancelQuery, Query()]) -> ChangedTask:
    """Cancel a task that nobody wants any more; its history stays. Verb `cancel`."""
    command = CancelTask(name="task.cancel", task=task_id, expected_revision=send.expected(None))
    return await _done(send, command, dry_run=query.dry_run)


@router.post("/tasks/{task_id}/claim", responses=CHANGE | CHANGED)
async def claim_task(send: Changing, task_id: TaskPath, body: Claim, _: NoneAsked) -> ChangedTask:
    """Take it for a time; its holder extends that time. Verb `claim`."""
    command = ClaimTask(
        name="task.claim",
        task=task_id,
        lease_us=body.lease_us,
        expected_revision=send.expected(body.expected_version),
    )
    return await _done(send, command, dry_run=body.dry_run)


_Step = Annotated[Step, Body(default_factory=Step)]


@router.post("/tasks/{task_id}/release", responses=CHANGE | CHANGED)
async def release_task(send: Changing, task_id: TaskPath, _: NoneAsked, body: _Step) -> ChangedTask:
    """Give a claim back. Verb `release`; only its holder may."""
    command = ReleaseTask(name="task.release", task=task_id, expected_revision=send.expected(body.expected_version))
    return await _done(send, command, dry_run=body.dry_run)


@router.post("/tasks/{task_id}/start", responses=CHANGE | CHANGED)
async def start_task(send: Changing, task_id: TaskPath, _: NoneAsked, body: _Step) -> ChangedTask:
    """Begin. Verb `start`; only its holder may."""
    command = StartTask(name="task.start", task=task_id, expected_revision=send.expected(body.expected_version))
    return await _done(send, command, dry_run=body.dry_run)


@router.post("/tasks/{task_id}/complete", responses=CHANGE | CHANGED)
async def complete_task(send: Changing, task_id: TaskPath, _: NoneAsked, body: _Step) -> ChangedTask:
    """It is done. Verb `complete`; only its holder may."""
    command = CompleteTask(name="task.complete", task=task_id, expected_revision=send.expected(body.expected_version))
    return await _done(send, command, dry_run=body.dry_run)


@router.post("/tasks/{task_id}/fail", responses=CHANGE | CHANGED)
async def fail_task(send: Changing, task_id: TaskPath, body: Failure, _: NoneAsked) -> ChangedTask:
    """It could not be done. Verb `fail`; only its holder may."""
    command = FailTask(
        name="task.fail", task=task_id, error=body.error, expected_revision=send.expected(body.expected_version)
    )
    return await _done(send, command, dry_run=body.dry_run)


@router.post("/tasks/{task_id}/cancel", responses=CHANGE | CHANGED)
async def cancel_task(
    send: Changing, task_id: TaskPath, _: NoneAsked, body: Annotated[Cancellation, Body(default_factory=Cancellation)]
) -> ChangedTask:
    """Nobody wants it any more. Verb `cancel`."""
    command = CancelTask(
        name="task.cancel", task=task_id, error=body.error, expected_revision=send.expected(body.expected_version)
    )
    return await _done(send, command, dry_run=body.dry_run)


def _work(known: Known) -> Task:
    return Task.model_validate(work_fields(known))


async def _done(send: Sender, command: Command, *, dry_run: bool) -> ChangedTask:
    answer = await send(command, dry_run=dry_run)
    return ChangedTask.model_validate(work_fields(answer.changed[0]) | {"dry_run": dry_run})


async def _known(door: PsmpDoor, caller: Caller, task: str, at: str | None) -> Known | None:
    """The task as its project has it; None where no project follows it, and now is asked for."""
    moment = await moment_of(door.readings, caller, at)
    try:
        known = await door.readings.task(caller, task, moment.point)
    except MetaQoreError as error:
        if error.kind is not ErrorKind.NOT_FOUND or at is not None or Scope.TASKS_READ not in caller.scopes:
            raise
        return None
    moment.check(known.project)
    return known


async def _run(door: PsmpDoor, caller: Caller, task: str) -> TaskView | None:
    """How the task came through a door, if it did and the caller may read it."""
    if Scope.TASKS_READ not in caller.scopes:
        return None
    try:
        return await door.get_task(caller, task)
    except MetaQoreError as error:
        if error.kind is not ErrorKind.NOT_FOUND:
            raise
        return None
