"""The commands to a task that waits for an agent, as they travel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.contracts.psmp_command import ChangingCommand, Id, Labels, Name, ProjectCommand, Text


class OpenTask(ProjectCommand):
    """Record a task that waits for an agent; it runs nothing."""

    name: Literal["task.open"]
    title: Name
    description: Text = ""
    labels: Labels = Field({})


class _OfTask(ChangingCommand):
    task: Id


class DescribeTask(_OfTask):
    """Change what a person reads about a task; what is not given stays."""

    name: Literal["task.describe"]
    title: Name | None = None
    description: Text | None = None
    labels: Labels | None = None


class ClaimTask(_OfTask):
    """Take a task for a time."""

    name: Literal["task.claim"]
    lease_us: Annotated[int, Field(ge=1, le=MAX_EXACT_INTEGER)]


class ReleaseTask(_OfTask):
    """Give a claim back."""

    name: Literal["task.release"]


class StartTask(_OfTask):
    """Begin a task that one holds."""

    name: Literal["task.start"]


class CompleteTask(_OfTask):
    """End a task that one holds, done."""

    name: Literal["task.complete"]


class FailTask(_OfTask):
    """End a task that one holds, not done."""

    name: Literal["task.fail"]
    error: Id


class CancelTask(_OfTask):
    """End a task that nobody wants any more."""

    name: Literal["task.cancel"]
    error: Id = "cancelled"
