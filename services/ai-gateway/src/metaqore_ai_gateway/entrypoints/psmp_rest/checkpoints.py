"""Checkpoints over REST: named points of a project that it can be brought back to."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from metaqore_ai_gateway.entrypoints.psmp_rest.answers import CHANGED, created
from metaqore_ai_gateway.entrypoints.psmp_rest.conflict_views import Place, StandingConflict, standing_view
from metaqore_ai_gateway.entrypoints.psmp_rest.door import Door
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import (
    CheckpointPath,
    DryRun,
    Form,
    NoneAsked,
    ProjectId,
)
from metaqore_ai_gateway.entrypoints.psmp_rest.history import ChangePage, change_view
from metaqore_ai_gateway.entrypoints.psmp_rest.paging import PageQuery
from metaqore_ai_gateway.entrypoints.psmp_rest.points import AtText, moment_of
from metaqore_ai_gateway.entrypoints.psmp_rest.sent import Sending
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.refusals import READ, SEND
from metaqore_ai_gateway.service.psmp import points
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT, artifact_id
from metaqore_governance_core.contracts.event import Count
from metaqore_governance_core.contracts.psmp_command import Id, Text, Why
from metaqore_governance_core.contracts.psmp_commands import RestoreCheckpoint, TakeCheckpoint

router = strict_router("checkpoints")


class CheckpointQuery(PageQuery):
    """Whose checkpoints."""

    project_id: ProjectId | None = None


class DiffQuery(PageQuery):
    """Up to when."""

    to: AtText = None


class NewCheckpoint(Form):
    """A name for the project's version of now, or for an earlier one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "before-the-rewrite"}]})

    project_id: ProjectId | None = None
    name: Id = Field(description="Unique in the project; it stands for one version for ever.")
    description: Text = ""
    at_version: Count | None = Field(None, description="The project's version; without it, that of now.")
    dry_run: DryRun = False


class Restoration(Form):
    """Makes new versions with the bodies of then, and deprecates what was not there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"why": "The rewrite did not work.", "dry_run": True}]})

    why: Why
    expected_version: Count | None = Field(
        None, description="The project's version that the sender has seen; stale, it is refused with 409."
    )
    dry_run: DryRun = False


class Checkpoint(BaseModel):
    """A named point of a project."""

    id: str
    project_id: str
    name: str
    description: str
    version: int = Field(description="The project's version that it names.")
    state_digest: str = Field(description="SHA-256, in hex, of the state of then in the form of RFC 8785.")
    by: str
    created_us: int


class TakenCheckpoint(Checkpoint):
    """The new checkpoint, or what a dry run would have made."""

    dry_run: bool


class CheckpointPage(BaseModel):
    """Checkpoints, newest first. `next_page_token` is empty on the last page."""

    checkpoints: list[Checkpoint]
    next_page_token: str


class RestoredArtifact(BaseModel):
    """How an artifact differs after the restore: its active version before and after, null for none."""

    artifact_id: str
    name: str
    version_before: int | None
    version_after: int | None


class Restore(BaseModel):
    """What the restore changed, or would."""

    project_id: str
    project_version: int
    differences: list[RestoredArtifact]
    conflicts: list[StandingConflict] = Field(description="What blocks proposals of others because of it.")
    dry_run: bool


@router.get("/checkpoints", responses=READ)
async def list_checkpoints(
    door: Door, caller: KnownCaller, query: Annotated[CheckpointQuery, Query()]
) -> CheckpointPage:
    """Checkpoints of a project, newest first."""
    project = query.project_id or DEFAULT_PROJECT
    page = await door.readings.checkpoints(caller, project, query.wanted)
    return CheckpointPage(
        checkpoints=[Checkpoint.model_validate(_fields(one, project)) for one in page.found],
        next_page_token=page.next,
    )


@router.post("/checkpoints", responses=SEND | created(TakenCheckpoint), status_code=201)
async def take_checkpoint(send: Sending, body: NewCheckpoint, _: NoneAsked) -> TakenCheckpoint:
    """Name the project's version of now, or an earlier one. Verb `take` of `psmp.checkpoint`."""
    command = TakeCheckpoint(
        name="checkpoint.take",
        checkpoint_name=body.name,
        description=body.description,
        at_version=body.at_version,
    )
    answer = await send(command, project=body.project_id or "", dry_run=body.dry_run)
    assert answer.checkpoint is not None  # noqa: S101 - the gate answers this command with it
    send.created(f"/api/v1/checkpoints/{answer.checkpoint.id}", dry_run=body.dry_run)
    return TakenCheckpoint.model_validate(_fields(answer.checkpoint, answer.project) | {"dry_run": body.dry_run})


@router.get("/checkpoints/{checkpoint_id}", responses=READ)
async def get_checkpoint(door: Door, caller: KnownCaller, checkpoint_id: CheckpointPath, _: NoneAsked) -> Checkpoint:
    """One checkpoint."""
    project, found = await door.readings.checkpoint(caller, checkpoint_id)
    return Checkpoint.model_validate(_fields(found, project))


@router.get("/checkpoints/{checkpoint_id}/diff", responses=READ)
async def diff_checkpoint(
    door: Door, caller: KnownCaller, checkpoint_id: CheckpointPath, query: Annotated[DiffQuery, Query()]
) -> ChangePage:
    """What has changed since a checkpoint, until now or another point."""
    project, found = await door.readings.checkpoint(caller, checkpoint_id)
    high = await moment_of(door.readings, caller, query.to, project)
    low = points.AtVersion(found.version)
    page = await door.readings.diff(caller, project, low, high.point, query.wanted)
    return ChangePage(changes=[change_view(one) for one in page.found], next_page_token=page.next)


@router.post("/checkpoints/{checkpoint_id}/restore", responses=SEND | CHANGED)
async def restore_checkpoint(send: Sending, checkpoint_id: CheckpointPath, body: Restoration, _: NoneAsked) -> Restore:
    """Bring a project back to a checkpoint, in one step. Verb `restore`.

    Ask with `dry_run` first: it shows what would change, and names the proposals that it would block.
    """
    command = RestoreCheckpoint(
        name="checkpoint.restore", checkpoint=checkpoint_id, expected_version=body.expected_version, why=body.why
    )
    answer = await send(command, dry_run=body.dry_run)
    place = Place(organization=send.caller.organization, project=answer.project)
    return Restore(
        project_id=answer.project,
        project_version=answer.project_version,
        differences=[_restored(one, place) for one in answer.differences],
        conflicts=[standing_view(one, place) for one in answer.conflicts],
        dry_run=body.dry_run,
    )


def _fields(one: points.Checkpoint, project: str) -> dict[str, object]:
    return {
        "id": one.id,
        "project_id": project,
        "name": one.name,
        "description": one.description,
        "version": one.version,
        "state_digest": one.state_digest,
        "by": one.by,
        "created_us": one.at_us,
    }


def _restored(difference: points.Difference, place: Place) -> RestoredArtifact:
    before, after = difference.active
    return RestoredArtifact(
        artifact_id=artifact_id(place.organization, place.project, difference.name),
        name=difference.name,
        version_before=None if before is None else before.number,
        version_after=None if after is None else after.number,
    )
