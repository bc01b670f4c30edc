"""The commands of PSMP as they travel: one model each, told apart by its name, `<aggregate>.<verb>`."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from metaqore_governance_core.contracts.event import Count
from metaqore_governance_core.contracts.psmp_artifact_commands import (
    ActivateArtifact,
    ActivateArtifactOverWarning,
    ActivateOwnArtifact,
    AmendArtifact,
    ApproveArtifact,
    ArchiveArtifact,
    DeprecateArtifact,
    DescribeArtifact,
    DraftArtifact,
    EraseArtifactBody,
    LiftArtifactVeto,
    OfVersion,
    ProposeAndActivateArtifact,
    ProposeArtifacts,
    RejectArtifact,
    RetireArtifact,
    VetoArtifact,
    WithdrawArtifact,
)
from metaqore_governance_core.contracts.psmp_command import ChoiceName, Id, ProjectCommand, Text, Why, command_name
from metaqore_governance_core.contracts.psmp_project_commands import (
    ArchiveProject,
    CreateProject,
    DescribeProject,
    FreezeProject,
    SetProjectMode,
    SetProjectPolicy,
    UnfreezeProject,
)
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


class ResolveConflict(OfVersion):
    """Choose how a conflict of a version ends. `content_digest` is a merged body; without it the mesh merges texts."""

    name: Literal["conflict.resolve"]
    conflict: Id
    choice: ChoiceName
    content_digest: Id | None = None
    why: Why


class TakeCheckpoint(ProjectCommand):
    """Name the project's version of now, or an earlier one."""

    name: Literal["checkpoint.take"]
    checkpoint_name: Id
    description: Text = ""
    at_version: Count | None = None


class RestoreCheckpoint(ProjectCommand):
    """Make new versions with the bodies of then, and deprecate what was not there."""

    name: Literal["checkpoint.restore"]
    checkpoint: Id
    expected_version: Count | None = Field(None, description="The project's version that the sender has seen.")
    why: Why


Command = (
    CreateProject
    | DescribeProject
    | FreezeProject
    | UnfreezeProject
    | SetProjectMode
    | SetProjectPolicy
    | ArchiveProject
    | OpenTask
    | DescribeTask
    | ClaimTask
    | ReleaseTask
    | StartTask
    | CompleteTask
    | FailTask
    | CancelTask
    | DraftArtifact
    | ProposeArtifacts
    | DescribeArtifact
    | RetireArtifact
    | AmendArtifact
    | WithdrawArtifact
    | RejectArtifact
    | ApproveArtifact
    | VetoArtifact
    | LiftArtifactVeto
    | ActivateArtifact
    | ActivateArtifactOverWarning
    | ActivateOwnArtifact
    | ProposeAndActivateArtifact
    | DeprecateArtifact
    | ArchiveArtifact
    | EraseArtifactBody
    | ResolveConflict
    | TakeCheckpoint
    | RestoreCheckpoint
)
NamedCommand = Annotated[Command, Field(discriminator="name")]

COMMAND_NAMES = tuple(command_name(model) for model in get_args(Command))
"""Every name there is."""
