"""Events about projects, tasks and artifacts: what is asked, what came of it, what happened."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from metaqore_governance_core.contracts.event import Count, Event, UnixMicroseconds
from metaqore_governance_core.contracts.psmp_command import Id
from metaqore_governance_core.contracts.psmp_commands import NamedCommand
from metaqore_governance_core.contracts.tasks import SensitivityName
from metaqore_governance_core.contracts.topics import PSMP_COMMANDS, PSMP_EVENTS, PSMP_RESULTS

AggregateName = Literal["project", "task", "artifact"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class CommandSubmitted(Event):
    """A command to PSMP. A repeat with the same `ce_source`, `ce_id` and value gets the first answer again."""

    ce_type: ClassVar[str] = "metaqore.psmp.submitted.v1"
    topic: ClassVar[str] = PSMP_COMMANDS

    command: NamedCommand
    project: Id | None = Field(None, description="The project's id; without it, the organization's default.")
    dry_run: bool = Field(default=False, description="Checks and answers as if it were done, and does nothing.")
    sensitivity: SensitivityName | None = Field(None, description="Raises the sensitivity, never lowers it.")
    deadline_s: float | None = Field(None, gt=0)


class CommandRequest(_Part):
    """The event that asked: its `ce_source` and `ce_id`."""

    source: str
    id: str


class CommandParty(_Part):
    """One side of a conflict: an artifact and its version, who proposed it, and what it declares in its own words."""

    artifact: str
    version: Count
    by: str
    declares: str


class CommandConflict(_Part):
    """What cannot stand together, and how to resolve it."""

    id: str
    type: str
    severity: Literal["blocking", "warning"]
    key: str
    parties: list[CommandParty]
    clashing: list[CommandParty]
    suggestion: str
    explanation: str


class CommandError(_Part):
    """Why it was not done: stable codes, and a sentence for a person."""

    code: str
    message: str
    reasons: list[str]


class CommandChange(_Part):
    """Something that the command changed, and its revision after that."""

    aggregate: AggregateName
    id: str
    revision: Count


class CommandWayOut(_Part):
    """A command, as the command line has it, that would help, and who may give it."""

    command: str
    who: str


class CommandAnswered(Event):
    """What came of a command that came by Kafka. `error` says why it was not done; a dry run changes nothing.

    `done`: it happened. `denied`: policy does not permit it. `refused`: policy does, the state or its rules do not.
    `failed`: it could not be tried; nothing happened, and the same command may be sent again under another id.
    """

    ce_type: ClassVar[str] = "metaqore.psmp.answered.v1"
    topic: ClassVar[str] = PSMP_RESULTS

    name: str
    organization: str
    project: str | None
    state: Literal["done", "denied", "refused", "failed"]
    dry_run: bool
    receipt: str
    receipt_token: str
    project_version: Count | None
    changes: list[CommandChange]
    conflicts: list[CommandConflict]
    ways_out: list[CommandWayOut] = Field([], description="What would help where it was refused.")
    error: CommandError | None
    request: CommandRequest


class ProjectChanged(Event):
    """Something happened in a project. `version` is its place there, `revision` its place in what it happened to.

    `name` is such as `artifact.Proposed`, and new ones are added; `data` holds its own fields, in the schema of that
    number, and is empty where it is too large for a message: then the project's history has it. `receipt` is the
    command's that caused it; null where time did, or a task's own event.
    """

    ce_type: ClassVar[str] = "metaqore.psmp.changed.v1"
    topic: ClassVar[str] = PSMP_EVENTS

    organization: str
    project: str
    version: Annotated[int, Field(ge=1)]
    aggregate: AggregateName
    id: str
    revision: Annotated[int, Field(ge=1)]
    name: str
    data_schema: Annotated[int, Field(ge=1)]
    data: dict[str, Any]
    by: str
    receipt: str | None
    time_us: UnixMicroseconds
