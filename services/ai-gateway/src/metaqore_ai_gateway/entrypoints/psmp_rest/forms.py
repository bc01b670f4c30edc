"""What bodies and paths in REST have in common: unknown fields and loose types are refused."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from metaqore_ai_gateway.entrypoints.psmp_rest.paging import NoQuery
from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER, Count
from metaqore_governance_core.contracts.psmp_command import Id, Why

_PATH_ID = StringConstraints(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")

ProjectPath = Annotated[str, _PATH_ID, Path(description="The project's id; `default` is the organization's own.")]
ArtifactPath = Annotated[str, _PATH_ID, Path(description="The artifact's id.")]
TaskPath = Annotated[str, _PATH_ID, Path(description="The task's id.")]
ConflictPath = Annotated[str, _PATH_ID, Path(description="The conflict's id.")]
CheckpointPath = Annotated[str, _PATH_ID, Path(description="The checkpoint's id.")]
WebhookPath = Annotated[str, _PATH_ID, Path(description="The webhook's id.")]
NumberPath = Annotated[int, Path(ge=1, le=MAX_EXACT_INTEGER, description="The version's number, from 1.")]

ProjectId = Annotated[Id, Field(description="The project's id; without it, the organization's `default`.")]
DryRun = Annotated[
    bool, Field(description="Checks and answers as if it were done, and does nothing. It leaves a record all the same.")
]
ExpectedVersion = Annotated[
    Count, Field(description="The `revision` that the sender has seen; stale, it is refused with 409.")
]
ExactInteger = Annotated[int, Field(ge=1, le=MAX_EXACT_INTEGER)]


class Form(BaseModel):
    """A body, or a part of one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Step(Form):
    """A command that needs no more than its name."""

    dry_run: DryRun = False
    expected_version: ExpectedVersion | None = None


class Explained(Step):
    """A command that needs a reason."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"why": "The release is cut."}]})

    why: Why


class DeleteQuery(NoQuery):
    """What a DELETE may say beside its path: it has no body (RFC 9110 section 9.3.5)."""

    why: Why = "deleted through the REST API"
    dry_run: DryRun = False


NoneAsked = Annotated[NoQuery, Query()]
"""No parameters; an unknown one is refused."""
