"""The commands to a project as they travel."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from metaqore_governance_core.contracts.event import MAX_EXACT_INTEGER
from metaqore_governance_core.contracts.psmp_command import (
    ChangingCommand,
    CommandPart,
    Id,
    Labels,
    ModeName,
    ProjectCommand,
    Text,
    Why,
)


class ApprovalRuleSpec(CommandPart):
    """So many different people of a role must approve a version before it can become active."""

    role: Id
    count: Annotated[int, Field(ge=1, le=1000)]


class ProjectPolicySpec(CommandPart):
    """What a project asks for beyond the machine. The defaults are the strictest that let anything happen."""

    approvals: list[ApprovalRuleSpec] = Field([], max_length=64)
    veto_roles: list[Id] = Field([], max_length=64)
    may_activate_own: bool = False
    may_resolve_own: bool = False
    proposal_ttl_us: Annotated[int, Field(ge=1, le=MAX_EXACT_INTEGER)] | None = None


class CreateProject(ProjectCommand):
    """Begin a project."""

    name: Literal["project.create"]
    project_name: Id
    description: Text = ""
    labels: Labels = Field({})
    mode: ModeName = "strict"
    policy: ProjectPolicySpec = ProjectPolicySpec()


class DescribeProject(ChangingCommand):
    """Change what a person reads about a project; what is not given stays."""

    name: Literal["project.describe"]
    description: Text | None = None
    labels: Labels | None = None


class FreezeProject(ChangingCommand):
    """Let nothing in a project change but what time and law demand."""

    name: Literal["project.freeze"]
    why: Why


class UnfreezeProject(ChangingCommand):
    """Let a project change again."""

    name: Literal["project.unfreeze"]
    why: Why


class SetProjectMode(ChangingCommand):
    """Change the mode of a project."""

    name: Literal["project.set_mode"]
    mode: ModeName
    why: Why


class SetProjectPolicy(ChangingCommand):
    """Replace the policy of a project."""

    name: Literal["project.set_policy"]
    policy: ProjectPolicySpec
    why: Why


class ArchiveProject(ChangingCommand):
    """End a project; with `cascade`, first everything in it."""

    name: Literal["project.archive"]
    cascade: bool = False
    why: Why
