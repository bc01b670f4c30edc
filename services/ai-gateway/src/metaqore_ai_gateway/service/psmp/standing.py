"""What stands in the conflict index: for each holder, its entries under each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from metaqore_ai_gateway.service.psmp.asked import State
from metaqore_governance_core.psmp.artifact_state import Artifact, Phase, Version
from metaqore_governance_core.psmp.conflicts.declaration import ConflictKey, Declaration, Entry
from metaqore_governance_core.psmp.conflicts.ownership import lease_of
from metaqore_governance_core.psmp.declared import declaration_of, hold_of
from metaqore_governance_core.psmp.work import Work

Rows: TypeAlias = Mapping[ConflictKey, tuple[Entry, ...]]
STANDING_PHASES: Final = frozenset({Phase.PROPOSED, Phase.ACTIVE})
"""What a new proposal is judged against. A blocked one stands in nobody's way."""


class Holder(NamedTuple):
    """Whose entries they are: a version of an artifact, or a claim of a task."""

    party: str
    number: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a holder has under a key."""

    holder: Holder
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """An aggregate as it is now. `offered_us` tells when each version of an artifact was proposed, 0 where never."""

    state: State
    version: int = 0
    born: int = 0
    offered_us: tuple[int, ...] = ()


def rows_of(declaration: Declaration) -> Rows:
    """What the index keeps of it."""
    rows: dict[ConflictKey, list[Entry]] = {}
    for key, entry in declaration.stored():
        rows.setdefault(key, []).append(entry)
    return {key: tuple(entries) for key, entries in rows.items()}


def rows_for(standing: Standing, holder: Holder) -> Rows:
    """What a holder of this aggregate has in the index."""
    match standing.state:
        case Artifact() as artifact:
            return rows_of(declared(standing, artifact, artifact.versions[holder.number - 1]))
        case Work() as work if (hold := hold_of(work)) is not None:
            return rows_of(Declaration(work.organization, work.project, hold.party, (hold,)))
        case _:
            return {}


def holders_of(state: State) -> frozenset[Holder]:
    """Who of an aggregate has anything in the index."""
    match state:
        case Artifact():
            standing = (version.number for version in state.versions if version.phase in STANDING_PHASES)
            return frozenset(Holder(state.name, number) for number in standing)
        case Work() if state.holder:
            return frozenset({Holder(lease_of(state.id), state.claims)})
        case _:
            return frozenset()


def declared(standing: Standing, artifact: Artifact, version: Version) -> Declaration:
    """What a version that was proposed declares."""
    return declaration_of(artifact, version, standing.offered_us[version.number - 1])
