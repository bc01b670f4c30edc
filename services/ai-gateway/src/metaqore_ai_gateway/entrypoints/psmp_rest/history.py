"""The past of a project over REST: its events, what changed between two points, and its state as bytes."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Annotated, Any, Literal

from fastapi import Query, Response
from pydantic import BaseModel, Field

from metaqore_ai_gateway.domain.task_view import LARGEST_PAGE
from metaqore_ai_gateway.entrypoints.psmp_rest.door import Door
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import ProjectPath
from metaqore_ai_gateway.entrypoints.psmp_rest.paging import NoQuery, PageQuery, cut
from metaqore_ai_gateway.entrypoints.psmp_rest.points import AtText, PointText, moment_of
from metaqore_ai_gateway.entrypoints.psmp_rest.strict_bodies import strict_router
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.refusals import READ, Responses
from metaqore_ai_gateway.service.psmp.page_tokens import Question
from metaqore_ai_gateway.service.psmp.points import AtVersion
from metaqore_ai_gateway.service.psmp.reading_ports import Change, PastEvent
from metaqore_governance_core.contracts.event import Count
from metaqore_governance_core.psmp.event_codec import encode

router = strict_router("history")

AggregateText = Literal["project", "artifact", "task"]

_STATE: Responses = {
    200: {
        "description": "The whole state, as RFC 8785 writes it",
        "content": {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
        "headers": {
            "X-MetaQore-Project-Version": {
                "description": "The version that was read.",
                "schema": {"type": "integer"},
            },
            "Repr-Digest": {
                "description": "SHA-256 of the bytes (RFC 9530).",
                "schema": {"type": "string"},
            },
        },
    }
}


class HistoryQuery(PageQuery):
    """Which events."""

    after: Count = Field(0, description="Only those behind this version of the project.")


class DiffQuery(PageQuery):
    """Between which points."""

    since: PointText = Field(alias="from")
    to: AtText = None


class StateQuery(NoQuery):
    """When."""

    at: AtText = None


class Event(BaseModel):
    """Something that happened. `id` names it for ever; `data` holds its own fields in the schema of `data_schema`."""

    id: str
    project_id: str
    version: int = Field(description="The project's version with this event: its place, from 1 without a gap.")
    aggregate: AggregateText
    aggregate_id: str
    revision: int = Field(description="Its place among the events of what it is about.")
    name: str = Field(description="Such as `artifact.Proposed`; new ones are added.")
    data_schema: int
    data: dict[str, Any]
    by: str
    receipt: str | None = Field(description="The command's that caused it; null where time did, or a task's event.")
    time_us: int = Field(description="When it was written: `at` that time is the first that has it.")


class EventPage(BaseModel):
    """Events, oldest first. `next_page_token` is empty on the last page."""

    events: list[Event]
    next_page_token: str


class Changed(BaseModel):
    """How two points differ in one thing."""

    aggregate: AggregateText
    id: str
    name: str = Field(description="Its name or title.")
    kind: Literal["added", "removed", "changed"]
    version_before: int | None = Field(description="The active version before; null for none.")
    version_after: int | None = Field(description="The active version after; null for none.")
    fields: list[str] = Field(description="The names of the fields that differ.")


class ChangePage(BaseModel):
    """Changes by kind of thing and name. `next_page_token` is empty on the last page."""

    changes: list[Changed]
    next_page_token: str


@router.get("/projects/{project_id}/history", responses=READ)
async def list_events(
    door: Door, caller: KnownCaller, project_id: ProjectPath, query: Annotated[HistoryQuery, Query()]
) -> EventPage:
    """What happened in a project, oldest first."""
    question = Question("history", (caller.organization, project_id))
    (after,) = question.place(query.page_token, int) or (query.after,)
    found = await door.readings.events(caller, project_id, after, min(query.page_size + 1, LARGEST_PAGE))
    shown, more = cut(found, min(query.page_size, LARGEST_PAGE - 1))
    token = question.token(shown[-1].happened.version) if more else ""
    return EventPage(events=[_event(one) for one in shown], next_page_token=token)


@router.get("/projects/{project_id}/diff", responses=READ)
async def diff_project(
    door: Door, caller: KnownCaller, project_id: ProjectPath, query: Annotated[DiffQuery, Query()]
) -> ChangePage:
    """What changed in a project from one point to another."""
    low = await moment_of(door.readings, caller, query.since, project_id)
    high = await moment_of(door.readings, caller, query.to, project_id)
    page = await door.readings.diff(caller, project_id, low.point or AtVersion(0), high.point, query.wanted)
    return ChangePage(changes=[change_view(one) for one in page.found], next_page_token=page.next)


@router.get("/projects/{project_id}/state", responses=READ | _STATE, response_class=Response)
async def get_project_state(
    door: Door, caller: KnownCaller, project_id: ProjectPath, query: Annotated[StateQuery, Query()]
) -> Response:
    """The whole state of a project: the fold of its events alone, the same bytes whenever the same point is asked."""
    moment = await moment_of(door.readings, caller, query.at, project_id)
    version, form = await door.readings.state_form(caller, project_id, moment.point)
    headers = {
        "x-metaqore-project-version": str(version),
        "repr-digest": f"sha-256=:{b64encode(hashlib.sha256(form).digest()).decode()}:",
    }
    return Response(form, headers=headers, media_type="application/json")


def change_view(change: Change) -> Changed:
    """How two points differ in one thing."""
    return Changed(
        aggregate=change.kind.value,
        id=change.id,
        name=change.name,
        kind=change.how.value,
        version_before=change.before or None,
        version_after=change.after or None,
        fields=list(change.fields),
    )


def _event(past: PastEvent) -> Event:
    stored = encode(past.happened.event)
    return Event(
        id=past.id,
        project_id=past.project,
        version=past.happened.version,
        aggregate=past.happened.of.kind.value,
        aggregate_id=past.aggregate_id,
        revision=past.happened.aggregate_version,
        name=stored.name,
        data_schema=stored.schema,
        data=stored.data,
        by=past.happened.event.by,
        receipt=past.receipt or None,
        time_us=past.recorded_us,
    )
