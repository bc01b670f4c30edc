"""Projects over REST."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from metaqore_ai_gateway.entrypoints.psmp_rest.answers import CHANGED, READ_ONE, created
from metaqore_ai_gateway.entrypoints.psmp_rest.door import Door
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import DeleteQuery, Explained, NoneAsked, ProjectPath
from metaqore_ai_gateway.entrypoints.psmp_rest.labels import LabelFilter, read_labels
from metaqore_ai_gateway.entrypoints.psmp_rest.paging import NoQuery, PageQuery
from metaqore_ai_gateway.entrypoints.psmp_rest.points import AtText, moment_of
from metaqore_ai_gateway.entrypoints.psmp_rest.project_views import (
    ChangedProject,
    EndedProject,
    ModeChange,
    NewProject,
    PolicyChange,
    Project,
    ProjectPage,
    ProjectPatch,
    ProjectStateText,
    project_fields,
    project_view,
)
from metaqore_ai_gateway.entrypoints.psmp_rest.sent import Changing, Matching, Sender, Sending, etag
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.refusals import CHANGE, MATCHED, READ, SEND
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_governance_core.contracts.psmp_commands import Command
from metaqore_governance_core.contracts.psmp_project_commands import (
    ArchiveProject,
    CreateProject,
    DescribeProject,
    FreezeProject,
    ProjectPolicySpec,
    SetProjectMode,
    SetProjectPolicy,
    UnfreezeProject,
)
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.project import ProjectState

router = strict_router("projects")


class ProjectQuery(PageQuery):
    """Which projects."""

    state: ProjectStateText | None = None
    label: LabelFilter = Field([])


class PastQuery(NoQuery):
    """When."""

    at: AtText = None


class EndProjectQuery(DeleteQuery):
    """How a project ends."""

    cascade: bool = Field(default=False, description="First ends everything in it, each through all states between.")


@router.get("/projects", responses=READ)
async def list_projects(door: Door, caller: KnownCaller, query: Annotated[ProjectQuery, Query()]) -> ProjectPage:
    """The organization's projects, by id."""
    state = None if query.state is None else ProjectState(query.state)
    page = await door.readings.projects(caller, query.wanted, state=state, labels=read_labels(query.label))
    return ProjectPage(projects=[project_view(one) for one in page.found], next_page_token=page.next)


@router.post("/projects", responses=SEND | created(ChangedProject), status_code=201)
async def create_project(send: Sending, body: NewProject, _: NoneAsked) -> ChangedProject:
    """Begin a project. Verb `create` of `psmp.project`; `flexible` needs the scope `psmp:mode`."""
    command = CreateProject(
        name="project.create",
        project_name=body.name,
        description=body.description,
        labels=body.labels,
        mode=body.mode,
        policy=ProjectPolicySpec.model_validate(body.policy.model_dump()),
    )
    answer = await send(command, dry_run=body.dry_run)
    send.created(f"/api/v1/projects/{answer.changed[0].id}", dry_run=body.dry_run)
    return _changed(answer, dry_run=body.dry_run)


@router.get("/projects/{project_id}", responses=READ | READ_ONE)
async def get_project(
    door: Door, caller: KnownCaller, project_id: ProjectPath, query: Annotated[PastQuery, Query()], response: Response
) -> Project:
    """One project, now or at a point of its past."""
    moment = await moment_of(door.readings, caller, query.at, project_id)
    known = await door.readings.project(caller, project_id, moment.point)
    view = project_view(known)
    response.headers["etag"] = etag(known.revision, view)
    return view


@router.patch("/projects/{project_id}", responses=MATCHED | CHANGED)
async def update_project(send: Matching, project_id: ProjectPath, body: ProjectPatch, _: NoneAsked) -> ChangedProject:
    """Change description and labels. Verb `describe` of `psmp.project`."""
    if body.description is None and body.labels is None:
        raise MetaQoreError("nothing_to_change", "Send a description or labels.")
    command = DescribeProject(
        name="project.describe",
        description=body.description,
        labels=body.labels,
        expected_revision=send.expected(None),
    )
    return await _done(send, project_id, command, dry_run=body.dry_run)


@router.delete("/projects/{project_id}", responses=MATCHED | CHANGED)
async def archive_project(
    send: Matching, project_id: ProjectPath, query: Annotated[EndProjectQuery, Query()]
) -> EndedProject:
    """End a project where nothing in it is open, or with `cascade`; its history stays.

    Verb `archive`, with the scope `psmp:mode`.
    """
    command = ArchiveProject(
        name="project.archive", cascade=query.cascade, why=query.why, expected_revision=send.expected(None)
    )
    answer = await send(command, project=project_id, dry_run=query.dry_run)
    fields = project_fields(answer.changed[0])
    return EndedProject.model_validate(fields | {"dry_run": query.dry_run, "ended": list(answer.ended)})


@router.post("/projects/{project_id}/freeze", responses=CHANGE | CHANGED)
async def freeze_project(send: Changing, project_id: ProjectPath, body: Explained, _: NoneAsked) -> ChangedProject:
    """Let nothing in it change but what time and law demand. Verb `freeze`, with the scope `psmp:mode`."""
    command = FreezeProject(name="project.freeze", why=body.why, expected_revision=send.expected(body.expected_version))
    return await _done(send, project_id, command, dry_run=body.dry_run)


@router.post("/projects/{project_id}/unfreeze", responses=CHANGE | CHANGED)
async def unfreeze_project(send: Changing, project_id: ProjectPath, body: Explained, _: NoneAsked) -> ChangedProject:
    """Let it change again. Verb `unfreeze`, with the scope `psmp:mode`."""
    command = UnfreezeProject(
        name="project.unfreeze", why=body.why, expected_revision=send.expected(body.expected_version)
    )
    return await _done(send, project_id, command, dry_run=body.dry_run)


@router.post("/projects/{project_id}/mode", responses=CHANGE | CHANGED)
async def set_project_mode(send: Changing, project_id: ProjectPath, body: ModeChange, _: NoneAsked) -> ChangedProject:
    """Change the mode. Verb `set_mode`, with the scope `psmp:mode`."""
    command = SetProjectMode(
        name="project.set_mode", mode=body.mode, why=body.why, expected_revision=send.expected(body.expected_version)
    )
    return await _done(send, project_id, command, dry_run=body.dry_run)


@router.post("/projects/{project_id}/policy", responses=CHANGE | CHANGED)
async def set_project_policy(
    send: Changing, project_id: ProjectPath, body: PolicyChange, _: NoneAsked
) -> ChangedProject:
    """Replace the policy. Verb `set_policy`."""
    command = SetProjectPolicy(
        name="project.set_policy",
        policy=ProjectPolicySpec.model_validate(body.policy.model_dump()),
        why=body.why,
        expected_revision=send.expected(body.expected_version),
    )
    return await _done(send, project_id, command, dry_run=body.dry_run)


async def _done(send: Sender, project: str, command: Command, *, dry_run: bool) -> ChangedProject:
    return _changed(await send(command, project=project, dry_run=dry_run), dry_run=dry_run)


def _changed(answer: Answer, *, dry_run: bool) -> ChangedProject:
    return ChangedProject.model_validate(project_fields(answer.changed[0]) | {"dry_run": dry_run})
