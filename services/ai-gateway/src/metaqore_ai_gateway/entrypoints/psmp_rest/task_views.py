"""Tasks as REST takes and tells them: what waits for an agent, what came through a door, or both at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from metaqore_ai_gateway.domain.task_view import TaskView
from metaqore_ai_gateway.entrypoints.psmp_rest.forms import DryRun, ExactInteger, Form, ProjectId, Step
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_governance_core.contracts.psmp_command import Id, Labels, Name, Text

WorkStateText = Literal["open", "claimed", "running", "done", "failed", "denied", "cancelled", "interrupted"]


class NewTask(Form):
    """A task that waits for an agent; it runs nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Write the importer"}]})

    project_id: ProjectId | None = None
    title: Name = Field(description="What is to be done, for a person.")
    description: Text = ""
    labels: Labels = Field({}, description="For people and programs.")
    dry_run: DryRun = False


class TaskPatch(Form):
    """What a person reads about a task. What is not given stays; labels are replaced as a whole."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"description": "Only CSV.", "labels": {"team": "web"}}]})

    title: Name | None = Field(None, description="While somebody holds the task, for its holder alone to change.")
    description: Text | None = None
    labels: Labels | None = None
    dry_run: DryRun = False


class Claim(Step):
    """How long the task is taken for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lease_us": 600_000_000}]})

    lease_us: ExactInteger = Field(description="In microseconds. A holder's lease is never shortened.")


class Failure(Step):
    """Why the task could not be done."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"error": "tests_failed"}]})

    error: Id = Field(description="A code, for programs.")


class Cancellation(Step):
    """Why nobody wants the task any more."""

    error: Id = Field("cancelled", description="A code, for programs.")


_OfWork = Annotated[int | None, Field(description="Null where no project follows the task.")]
_OfDoor = Annotated[str | None, Field(description="Null where the task has not come through a door.")]


class Task(BaseModel):
    """What the organization may see of a task: no prompt, no answer. Times are microseconds since the Unix epoch."""

    id: str
    organization: str
    project: str | None = Field(description="The id of its project.")
    state: WorkStateText = Field(description="`done`, `failed`, `denied` and `cancelled` are final.")
    title: str | None = Field(description="What is to be done, where a person has said so.")
    description: str
    labels: dict[str, str]
    holder: str | None = Field(description="Who has claimed it.")
    lease_until_us: int | None = Field(description="Until when its holder has it.")
    claims: _OfWork = Field(description="How often it was claimed; null where no project follows it.")
    revision: _OfWork = Field(description="Counts its changes in its project, from 1; its ETag.")
    door: _OfDoor
    caller: _OfDoor = Field(description="The id of the key that submitted it.")
    model: _OfDoor
    provider: str | None
    sensitivity: _OfDoor
    sensitivity_sources: list[str]
    verdict: _OfDoor
    reasons: list[str]
    policy: _OfDoor
    policy_version: _OfDoor
    receipt: _OfDoor = Field(description="The id of its receipt.")
    error: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    duration_us: int | None
    attempts: int
    created_us: int
    since_us: int | None = Field(description="Since when it is in its state.")
    ended_us: int | None


class ChangedTask(Task):
    """The task after a command, or as it would be after a dry run."""

    dry_run: bool


class TaskPage(BaseModel):
    """Tasks. `next_page_token` is empty on the last page."""

    tasks: list[Task]
    next_page_token: str


_FINAL = frozenset({"done", "failed", "denied", "cancelled"})


def door_fields(view: TaskView) -> dict[str, Any]:
    """The fields of a task that came through a door."""
    return {
        "id": view.id,
        "organization": view.organization,
        "project": view.project,
        "state": view.state.value,
        "title": None,
        "description": "",
        "labels": {},
        "holder": None,
        "lease_until_us": None,
        "claims": None,
        "revision": None,
        "door": view.door,
        "caller": view.caller,
        "model": view.model,
        "provider": view.provider,
        "sensitivity": view.sensitivity,
        "sensitivity_sources": list(view.sensitivity_sources),
        "verdict": view.verdict,
        "reasons": list(view.reasons),
        "policy": view.policy,
        "policy_version": view.policy_version,
        "receipt": view.receipt,
        "error": view.error,
        "prompt_tokens": view.prompt_tokens,
        "completion_tokens": view.completion_tokens,
        "duration_us": view.duration_us,
        "attempts": view.attempts,
        "created_us": view.created_us,
        "since_us": view.created_us if view.ended_us is None else view.ended_us,
        "ended_us": view.ended_us,
    }


_OF_RUN = (
    *("door", "caller", "model", "provider", "sensitivity", "verdict", "policy", "policy_version", "receipt"),
    *("prompt_tokens", "completion_tokens", "duration_us"),
)


def work_fields(known: Known, view: TaskView | None = None) -> dict[str, Any]:
    """The fields of a task that a project follows, with those of its run where it came through a door."""
    work = known.work
    state = None if work.state is None else work.state.value
    run = dict.fromkeys(_OF_RUN) | {"sensitivity_sources": [], "reasons": [], "attempts": 0}
    return (run if view is None else door_fields(view)) | {
        "id": known.id,
        "organization": work.organization,
        "project": known.project,
        "state": state,
        "title": work.title or None,
        "description": work.description,
        "labels": dict(work.labels),
        "holder": work.holder or None,
        "lease_until_us": work.lease_until_us or None,
        "claims": work.claims,
        "revision": known.revision,
        "error": work.error,
        "created_us": work.created_us,
        "since_us": work.since_us,
        "ended_us": work.since_us if state in _FINAL else None,
    }
