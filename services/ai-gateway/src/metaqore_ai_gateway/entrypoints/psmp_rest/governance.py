"""Conflicts over REST, and what is stuck."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, model_validator

from metaqore_ai_gateway.entrypoints.psmp_rest.answers import CHANGED
from metaqore_ai_gateway.entrypoints.psmp_rest.artifact_views import ChangedArtifact, changed_view
from metaqore_ai_gateway.entrypoints.psmp_rest.conflict_views import (
    ChoiceText,
    ConflictPage,
    ListedConflict,
    SeverityText,
    listed_view,
)
from metaqore_ai_gateway.entrypoints.psmp_rest.door import Door
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import ConflictPath, Explained, NoneAsked, ProjectId
from metaqore_ai_gateway.entrypoints.psmp_rest.paging import PageQuery
from metaqore_ai_gateway.entrypoints.psmp_rest.points import AtText, moment_of
from metaqore_ai_gateway.entrypoints.psmp_rest.sent import Changing, Sender
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.problem import WayOut
from metaqore_ai_gateway.entrypoints.slow.refusals import CHANGE, READ
from metaqore_governance_core.contracts.psmp_command import Id, VersionNumber
from metaqore_governance_core.contracts.psmp_commands import ResolveConflict
from metaqore_governance_core.psmp.blocking_report import Cause, StuckItem
from metaqore_governance_core.psmp.conflicts.model import Severity

router = strict_router("governance")

_NOT_READ: Final = ("unknown", 1)
"""The version that a conflict stops, for who is denied whatever it is."""

CauseText = Literal["conflict", "warning", "veto", "approvals", "activation", "frozen", "lease", "interrupted"]


class ConflictQuery(PageQuery):
    """Which conflicts."""

    project_id: Annotated[Id, Field(description="The project's id; without it, every project.")] | None = None
    severity: SeverityText | None = None
    type: list[Id] = Field([], max_length=32, description="Of these types; repeated, any of them.")
    artifact_id: Id | None = Field(None, description="That this artifact is party to.")
    ended: bool = Field(default=False, description="Also those that are gone.")
    at: AtText = None


class ReportQuery(PageQuery):
    """What of the report."""

    project_id: ProjectId | None = None
    cause: CauseText | None = None
    at: AtText = None


class Resolution(Explained):
    """How a conflict is to end. A blocking one ends only when it is gone; a warning is answered for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"choice": "keep_existing", "why": "The importer stays on numpy 1."}]}
    )

    choice: ChoiceText
    artifact_id: Id | None = Field(
        None, description="Whose version it is to end for; without it, the one that the conflict stops (`psmp:read`)."
    )
    version: VersionNumber | None = Field(None, description="The number of that version.")
    content_digest: Id | None = Field(
        None, description="For a merge: the merged body. Without it the mesh merges the texts."
    )

    @model_validator(mode="after")
    def _both(self) -> Resolution:
        if (self.artifact_id is None) != (self.version is None):
            raise ValueError("give artifact_id and version together")
        return self


class Stuck(BaseModel):
    """Something that does not move."""

    item: str = Field(description="Such as `artifact <name> v<number>` or `task <id>`.")
    cause: CauseText
    why: str
    since_us: int
    ways_out: list[WayOut] = Field(description="What would free it, and who may do so.")


class BlockingReport(BaseModel):
    """What is stuck, the longest first. `next_page_token` is empty on the last page."""

    items: list[Stuck]
    total: int = Field(description="How many there are in all.")
    next_page_token: str


class ResolutionStep(BaseModel):
    """A command that the resolution gave."""

    artifact: str
    version: int
    verb: str = Field(description="`reject`, `deprecate` or `draft`.")
    why: str
    parents: list[str]


class Resolved(ChangedArtifact):
    """The artifact whose conflict it was, and what was done. `conflicts` are those that are left."""

    steps: list[ResolutionStep]


@router.get("/governance/conflicts", responses=READ)
async def list_conflicts(door: Door, caller: KnownCaller, query: Annotated[ConflictQuery, Query()]) -> ConflictPage:
    """Conflicts of a project, or of all, the longest open first."""
    moment = await moment_of(door.readings, caller, query.at, query.project_id)
    page = await door.readings.conflicts(
        caller,
        query.project_id,
        query.wanted,
        severity=None if query.severity is None else Severity(query.severity),
        types=tuple(query.type),
        artifact=query.artifact_id or "",
        ended=query.ended,
        at=moment.point,
    )
    found = [listed_view(one, caller.organization) for one in page.found]
    return ConflictPage(conflicts=found, next_page_token=page.next)


@router.get("/governance/conflicts/{conflict_id}", responses=READ)
async def get_conflict(door: Door, caller: KnownCaller, conflict_id: ConflictPath, _: NoneAsked) -> ListedConflict:
    """One conflict, also one that is gone."""
    return listed_view(await door.readings.conflict(caller, conflict_id), caller.organization)


@router.post("/governance/conflicts/{conflict_id}/resolve", responses=CHANGE | CHANGED)
async def resolve_conflict(send: Changing, conflict_id: ConflictPath, body: Resolution, _: NoneAsked) -> Resolved:
    """Choose how a conflict ends; its steps and the judgement after them are one. Verb `resolve` of `psmp.conflict`."""
    artifact, number = await _version(send, conflict_id, body)
    command = ResolveConflict(
        name="conflict.resolve",
        artifact=artifact,
        version=number,
        conflict=conflict_id,
        choice=body.choice,
        content_digest=body.content_digest,
        why=body.why,
        expected_revision=send.expected(body.expected_version),
    )
    answer = await send(command, dry_run=body.dry_run)
    fields = changed_view(answer, number, dry_run=body.dry_run).model_dump()
    steps = [
        ResolutionStep(
            artifact=one.artifact, version=one.version, verb=one.verb, why=one.why, parents=list(one.parents)
        )
        for one in answer.steps
    ]
    return Resolved.model_validate(fields | {"steps": steps})


@router.get("/governance/blocking-report", responses=READ)
async def get_blocking_report(
    door: Door, caller: KnownCaller, query: Annotated[ReportQuery, Query()]
) -> BlockingReport:
    """Everything in a project that is stuck: why, since when, who can free it with which command."""
    project = query.project_id or ""
    moment = await moment_of(door.readings, caller, query.at, project)
    cause = None if query.cause is None else Cause(query.cause)
    page, total = await door.readings.report(caller, project, query.wanted, cause=cause, at=moment.point)
    return BlockingReport(items=[_stuck(one) for one in page.found], total=total, next_page_token=page.next)


async def _version(send: Sender, conflict: str, body: Resolution) -> tuple[str, int]:
    if body.artifact_id is not None and body.version is not None:
        return body.artifact_id, body.version
    if not send.may_write:
        return _NOT_READ
    found = await send.door.readings.conflict(send.caller, conflict)
    return found.artifact_id, found.number


def _stuck(item: StuckItem) -> Stuck:
    return Stuck(
        item=item.item,
        cause=item.cause.value,
        why=item.why,
        since_us=item.since_us,
        ways_out=[WayOut(command=one.command, who=one.who) for one in item.ways_out],
    )
