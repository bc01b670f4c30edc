"""The scopes that a command needs of its caller's key."""

from __future__ import annotations

from metaqore_governance_core.contracts import psmp_artifact_commands as artifacts
from metaqore_governance_core.contracts import psmp_project_commands as projects
from metaqore_governance_core.contracts.psmp_commands import Command
from metaqore_governance_core.identity import Scope


def scopes_for(command: Command) -> tuple[str, ...]:
    """All of these. `psmp:mode` is for who keeps a project: its rules, whether it may change at all, and its end."""
    match command:
        case (
            projects.SetProjectMode()
            | projects.SetProjectPolicy()
            | projects.FreezeProject()
            | projects.UnfreezeProject()
            | projects.ArchiveProject()
        ):
            return (Scope.PSMP_WRITE, Scope.PSMP_MODE)
        case projects.CreateProject() as create if create.mode != "strict" or _loosens(create.policy):
            return (Scope.PSMP_WRITE, Scope.PSMP_MODE)
        case artifacts.EraseArtifactBody():
            return (Scope.PSMP_WRITE, Scope.PSMP_ERASE)
        case _:
            return (Scope.PSMP_WRITE,)


def _loosens(policy: projects.ProjectPolicySpec) -> bool:
    return policy.may_activate_own or policy.may_resolve_own
