"""Rivals: versions of one artifact by different authors, of which neither continues the other.

Whoever drafts builds upon what is active then, and upon the parents that it names. What stands and is none of these was
not seen: to let both count, one after the other, would lose the first without a word.
"""

from __future__ import annotations

from metaqore_governance_core.psmp.actor import SYSTEM
from metaqore_governance_core.psmp.artifact_state import Artifact, Phase, Version
from metaqore_governance_core.psmp.conflicts.model import (
    Choice,
    Conflict,
    ConflictType,
    Party,
    Severity,
    listed,
    make_conflict,
    of_project,
)
from metaqore_governance_core.psmp.identity import artifact_id

_STANDING = frozenset({Phase.PROPOSED, Phase.ACTIVE})


def rival_conflicts(artifact: Artifact, version: Version, by: str) -> tuple[Conflict, ...]:
    """The conflicts of a version, offered `by` its author, with what stands of its artifact and what it does not know.

    What the mesh itself brings back, as a restore does, has none: those who are in its way are judged instead.
    """
    if version.drafted_by == SYSTEM.name:
        return ()
    seen = _lineage(artifact, version)
    standing = [
        one
        for one in artifact.versions
        if one.phase in _STANDING
        and one.number not in seen
        and (one.proposed_by or one.drafted_by) != by
        and not _waits_for(artifact, one, version)
    ]
    found = (_conflict(artifact, version, by, one) for one in standing)
    return tuple(of_project(one, artifact.organization, artifact.project) for one in found)


def _waits_for(artifact: Artifact, one: Version, version: Version) -> bool:
    """Whether `one` is offered to come after `version`, which it knows: that may count before it does."""
    return one.phase is Phase.PROPOSED and version.number in _lineage(artifact, one)


def _lineage(artifact: Artifact, version: Version) -> set[int]:
    """The numbers of the versions that it continues, itself among them."""
    seen: set[int] = set()
    waiting = [version.number]
    while waiting:
        number = waiting.pop()
        if number in seen or not 1 <= number <= len(artifact.versions):
            continue
        seen.add(number)
        one = artifact.versions[number - 1]
        waiting.append(one.base)
        waiting += _named(artifact, (*one.content.provenance.parents, *one.content.provenance.inputs))
    return seen


def _named(artifact: Artifact, sources: tuple[str, ...]) -> list[int]:
    """The versions of the artifact among these, each `<artifact id>@<version>`."""
    if not sources:
        return []
    own = artifact_id(artifact.organization, artifact.project, artifact.name)
    named = (one.rpartition("@") for one in sources)
    return [int(number) for name, _, number in named if name in {own, artifact.name} and number.isdecimal()]


def _conflict(artifact: Artifact, version: Version, by: str, other: Version) -> Conflict:
    clashing = (
        Party(artifact.name, version.number, by, _built_upon(version)),
        Party(artifact.name, other.number, other.proposed_by or other.drafted_by, _built_upon(other)),
    )
    return make_conflict(
        ConflictType.VERSION_RIVAL,
        Severity.BLOCKING,
        f"artifact:{artifact.name}",
        parties=clashing,
        clashing=clashing,
        suggestion=Choice.MERGE,
        explanation=(
            f"Two authors write {artifact.name} without the other's work: {listed(clashing)}. Merge them, let one give "
            f"way, or draft anew and name version {other.number} among the parents."
        ),
    )


def _built_upon(version: Version) -> str:
    return f"built upon version {version.base}" if version.base else "built upon nothing"
