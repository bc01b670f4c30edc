"""How sensitive the bodies are that a command only names: they were scanned when they came, not with the command."""

from __future__ import annotations

from collections.abc import Iterator

from metaqore_ai_gateway.service.psmp.uploads import BodyStore
from metaqore_governance_core.contracts import psmp_artifact_commands as artifacts
from metaqore_governance_core.contracts.psmp_commands import Command, ResolveConflict
from metaqore_governance_core.sensitivity import Sensitivity


async def sensitivity_of_named(bodies: BodyStore, organization: str, command: Command) -> Sensitivity | None:
    """The highest of them; None where the command names none that is kept."""
    found = [await bodies.find(organization, digest) for digest in dict.fromkeys(_named(command))]
    return max((one.sensitivity for one in found if one is not None), default=None)


def _named(command: Command) -> Iterator[str]:
    match command:
        case artifacts.ProposeArtifacts():
            digests = [one.created.content_digest for one in command.proposals if one.created is not None]
        case artifacts.DraftArtifact():
            digests = [command.version.content_digest]
        case ResolveConflict():
            digests = [command.content_digest]
        case _:
            digests = []
    yield from filter(None, digests)
