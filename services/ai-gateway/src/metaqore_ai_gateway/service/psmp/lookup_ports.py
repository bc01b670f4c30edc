"""What readers need of a store beyond the past of artifacts, and what they may rely on.

Everything is of one organization. Pages are in the order that is told, from behind the place that is given.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.places import Place
from metaqore_ai_gateway.service.psmp.reading_ports import Direction, Edge, FoundConflict, PastEvent
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.conflicts.model import Severity
from metaqore_governance_core.psmp.work import WorkState


@dataclass(frozen=True, slots=True)
class Among:
    """Aggregates of one sort in a project at a version. `prefix` is what their names begin with."""

    project: str
    version: int
    kind: Kind
    prefix: str = ""


class Catalog(Protocol):
    """Projects, artifacts and tasks, now and at any version."""

    async def newest(self, organization: str, project: str) -> int:
        """The project's version now; 0 where it does not exist."""
        ...

    async def place(self, organization: str, kind: Kind, id_: str) -> Place | None:
        """Where the aggregate with this id is."""
        ...

    async def named(self, organization: str, kind: Kind, id_: str) -> Known | None:
        """The aggregate with this id, as it is."""
        ...

    async def at(self, organization: str, project: str, refs: Collection[Ref], version: int) -> dict[Ref, Known]:
        """Those of these that existed at that version, as they were."""
        ...

    async def page(self, organization: str, among: Among, after: str, size: int) -> Sequence[Known]:
        """By name or id."""
        ...

    async def page_standing(
        self, organization: str, among: Among, standing: Phase | WorkState, after: str, size: int
    ) -> Sequence[Known] | None:
        """Those alone that stand so, found by that; None where the project is at another version by now."""
        ...

    async def changed(
        self, organization: str, project: str, low: int, high: int, *, after: Ref | None, size: int
    ) -> Sequence[Ref]:
        """To what anything happened behind one version and up to the other, by kind and name."""
        ...

    async def projects(self, organization: str, after: str, size: int) -> Sequence[Known]:
        """As they are, by id."""
        ...

    async def events(self, organization: str, project: str, after: int, size: int) -> Sequence[PastEvent]:
        """What happened behind that version, in order."""
        ...


@dataclass(frozen=True, slots=True)
class ConflictsWanted:
    """Which conflicts. `version` is that of the project to look at, None for now; `artifact` is a name."""

    project: str | None = None
    severity: Severity | None = None
    types: tuple[str, ...] = ()
    artifact: str = ""
    ended: bool = False
    version: int | None = None


@dataclass(frozen=True, slots=True, order=True)
class ConflictPlace:
    """Where in their order a conflict is."""

    since_us: int
    project: str
    conflict: str
    artifact: str
    number: int
    since_version: int


class Conflicts(Protocol):
    """The conflicts that stand, and those that stood."""

    async def page(
        self, organization: str, wanted: ConflictsWanted, after: ConflictPlace | None, size: int
    ) -> Sequence[tuple[ConflictPlace, FoundConflict]]:
        """The longest open first."""
        ...

    async def find(self, organization: str, conflict: str) -> FoundConflict | None:
        """One that stands, else the last that stood."""
        ...


class Provenance(Protocol):
    """Which version was made from which."""

    async def edges(
        self, organization: str, versions: Collection[tuple[str, int]], direction: Direction, size: int
    ) -> Sequence[Edge]:
        """The edges that lead one step on from these artifacts' ids and numbers; no more than `size`."""
        ...

    async def artifacts(self, organization: str, ids: Collection[str]) -> dict[str, Known]:
        """Those of these that exist, as they are."""
        ...


class Replay(Protocol):
    """The whole state of a project at a version, folded anew from its stored events and from nothing else."""

    def pieces(self, organization: str, project: str, version: int) -> AsyncIterator[bytes]:
        """The state in the form of RFC 8785, in pieces: `artifacts` by name, the `project`, and `tasks` by id."""
        ...
