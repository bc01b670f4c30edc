"""What a refusal tells beside its sentence: the conflicts behind it, and the commands that would help."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.history_ports import History
from metaqore_ai_gateway.service.psmp.target import Target
from metaqore_governance_core.contracts.psmp_artifact_commands import (
    AmendArtifact,
    ArchiveArtifact,
    DeprecateArtifact,
    EraseArtifactBody,
    RejectArtifact,
    VetoArtifact,
    WithdrawArtifact,
)
from metaqore_governance_core.contracts.psmp_commands import Command
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Artifact
from metaqore_governance_core.psmp.blocking_report import WayOut, blocking_report
from metaqore_governance_core.psmp.conflicts.model import Conflict
from metaqore_governance_core.psmp.project import Project
from metaqore_governance_core.psmp.refusal import PsmpRefusedError

# Who sends these does not want the version to count as it is; the report's ways out of what is stuck lead there.
_NOT_TO_COUNT = (
    AmendArtifact,
    ArchiveArtifact,
    DeprecateArtifact,
    EraseArtifactBody,
    RejectArtifact,
    VetoArtifact,
    WithdrawArtifact,
)


def conflicts_behind(error: MetaQoreError) -> tuple[Conflict, ...]:
    """The conflicts that stand in the way."""
    return error.conflicts if isinstance(error, PsmpRefusedError) else ()


@dataclass(frozen=True, slots=True)
class FindWaysOut:
    """Commands to paste, as the blocking report has them for the version that a command was sent to.

    What was refused as a whole left no version behind, and has none.
    """

    history: History

    async def __call__(self, organization: str, target: Target, command: Command, now_us: int) -> tuple[WayOut, ...]:
        """Nothing where the command is to no version of an artifact."""
        number = getattr(command, "version", None)
        if target.ref.kind is not Kind.ARTIFACT or not isinstance(number, int):
            return ()
        of = (organization, target.project)
        version = await self.history.newest(*of)
        project = await self.history.state(*of, version, Ref(Kind.PROJECT, target.project))
        artifact = await self.history.state(*of, version, target.ref)
        if not isinstance(project, Project) or not isinstance(artifact, Artifact):
            return ()
        items = {f"project {project.name}"}
        if not isinstance(command, _NOT_TO_COUNT):
            items.add(f"artifact {target.ref.id} v{number}")
        stuck = blocking_report(project, [artifact], [], now_us)
        return tuple(dict.fromkeys(way for one in stuck if one.item in items for way in one.ways_out))
