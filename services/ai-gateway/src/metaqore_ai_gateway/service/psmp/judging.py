"""The conflicts of a version with what stands now, inside a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from metaqore_ai_gateway.service.psmp.standing import STANDING_PHASES, Found, Standing, declared
from metaqore_ai_gateway.service.psmp.workspace import Workspace, entries_of
from metaqore_governance_core.psmp.artifact_commands import Activation, Propose, ProposeAndActivate, Rejudge
from metaqore_governance_core.psmp.artifact_state import Artifact, Content, Phase, Version
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey, Declaration, KeyKind
from metaqore_governance_core.psmp.conflicts.judge import conflicts_of
from metaqore_governance_core.psmp.conflicts.model import Conflict
from metaqore_governance_core.psmp.declared import declaration_of

Judged = Propose | Rejudge | Activation
Shared: TypeAlias = Mapping[ConflictKey, Sequence[Found]]


def declaration_for(standing: Standing, artifact: Artifact, version: Version, command: Judged) -> Declaration:
    """What the version declares, as it is offered by this command or was before."""
    if version.phase is Phase.DRAFT and isinstance(command, Propose | ProposeAndActivate):
        return declaration_of(artifact, replace(version, proposed_by=command.by.name), command.at_us)
    return declared(standing, artifact, version)


def keys_of(organization: str, project: str, content: Content) -> frozenset[ConflictKey]:
    """The keys under which others can clash with this content."""
    version = Version(1, content, Phase.DRAFT, 0, "")
    return declaration_of(Artifact(organization, project), version, 0).read()


async def conflicts_now(workspace: Workspace, declaration: Declaration) -> tuple[Conflict, ...]:
    """Every conflict with what stands.

    A sample of those that declare the same tells whether there is any; only then are all parties read, to be named.
    """
    keys = declaration.read()
    sampled = await workspace.shared(keys)
    found = _judged(declaration, sampled)
    if not found:
        return ()
    named = {one.key for one in found}
    touched = {key for key in keys if str(key) in named or key.kind is KeyKind.BELOW}
    everything = {**sampled, **await workspace.shared(touched, complete=True)}
    return _judged(declaration, everything)


async def conflicts_with_active(workspace: Workspace, declaration: Declaration) -> tuple[Conflict, ...]:
    """Every conflict with what is active and with the leases on tasks: proposals are passed over."""
    shared = await workspace.shared(declaration.read(), complete=True)
    active = {key: [one for one in some if not await _is_proposal(workspace, one)] for key, some in shared.items()}
    return _judged(declaration, active)


async def clashing_proposals(workspace: Workspace, conflicts: Iterable[Conflict], own: str) -> list[tuple[str, int]]:
    """The proposals of other artifacts that these conflicts name."""
    named = {(party.artifact, party.version) for one in conflicts if one.blocks for party in one.clashing}
    found = []
    for name, number in sorted(named):
        _, artifact = await workspace.artifact(name)
        stands = number <= len(artifact.versions) and artifact.versions[number - 1].phase is Phase.PROPOSED
        if name != own and stands:
            found.append((name, number))
    return found


def _judged(declaration: Declaration, shared: Shared) -> tuple[Conflict, ...]:
    return conflicts_of(declaration, entries_of(shared))


async def _is_proposal(workspace: Workspace, one: Found) -> bool:
    _, artifact = await workspace.artifact(one.holder.party)
    if one.holder.number > len(artifact.versions):
        return False
    phase = artifact.versions[one.holder.number - 1].phase
    return phase in STANDING_PHASES and phase is not Phase.ACTIVE
