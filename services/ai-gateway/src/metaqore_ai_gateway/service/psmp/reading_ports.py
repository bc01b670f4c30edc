"""What can be asked about projects, and what a store must know for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from metaqore_ai_gateway.service.psmp.asked import Happened, Kind
from metaqore_ai_gateway.service.psmp.known import Known
from metaqore_ai_gateway.service.psmp.points import Checkpoint, Point
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.psmp.artifact_state import OpenConflict, Phase, Version
from metaqore_governance_core.psmp.blocking_report import Cause, StuckItem
from metaqore_governance_core.psmp.conflicts.model import Severity
from metaqore_governance_core.psmp.project import ProjectState
from metaqore_governance_core.psmp.work import WorkState

_T = TypeVar("_T")
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Slice(Generic[_T]):
    """A page of a longer list. `next` is an opaque token for the page behind it; empty on the last one."""

    found: tuple[_T, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which page: behind `token`, at most `size` items."""

    token: str = ""
    size: int = 50


@dataclass(frozen=True, slots=True)
class FoundConflict:
    """A conflict, and the version whose it is: `number` of `artifact`. `ended_us` is None while it stands."""

    opened: OpenConflict
    project: str
    artifact: str
    artifact_id: str
    number: int
    ended_us: int | None = None


class ChangeKind(StrEnum):
    """How two points differ in one thing."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """How two points differ in one thing. `before` and `after` are active versions, 0 for none or for no artifact."""

    kind: Kind
    id: str
    name: str
    how: ChangeKind
    before: int
    after: int
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event with what the store knows of it. `id` is for resuming; `receipt` is empty where no command caused it.

    `aggregate_id` is the public id of what it happened to.
    """

    id: str
    organization: str
    project: str
    happened: Happened
    aggregate_id: str
    receipt: str
    recorded_us: int


class Direction(StrEnum):
    """Which way provenance is followed."""

    SOURCES = "sources"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class Origin:
    """A version in a graph of provenance, `depth` steps away; the one that was asked about has 0."""

    artifact: Known
    version: Version
    depth: int


@dataclass(frozen=True, slots=True)
class Edge:
    """`made` was made from `source`; `relation` is `input` or `parent`. Both are `<artifact id>@<version>`."""

    made: str
    source: str
    relation: str


@dataclass(frozen=True, slots=True)
class Provenances:
    """A graph. `unknown` are sources that are named and are not here. `cut` where it was larger than what is told."""

    origins: tuple[Origin, ...]
    edges: tuple[Edge, ...]
    unknown: tuple[str, ...] = ()
    cut: bool = False


class Readings(Protocol):
    """Everything that is read of PSMP. Each call needs the scope `psmp:read`, and sees one organization.

    Where a project may be empty it means the organization's default. `at` is a point of the past, None for now. A
    token belongs to the call that gave it; another is `invalid_page_token`. What is not there is `<what>_not_found`.
    """

    async def project(self, caller: Caller, project: str, at: Point | None = None) -> Known:
        """One project."""
        ...

    async def projects(
        self, caller: Caller, wanted: Wanted, *, state: ProjectState | None = None, labels: Labels = ()
    ) -> Slice[Known]:
        """By id."""
        ...

    async def artifact(self, caller: Caller, artifact: str, at: Point | None = None) -> Known:
        """One artifact by its id."""
        ...

    async def artifacts(
        self,
        caller: Caller,
        project: str,
        wanted: Wanted,
        *,
        at: Point | None = None,
        phase: Phase | None = None,
        labels: Labels = (),
        prefix: str = "",
    ) -> Slice[Known]:
        """By name. `phase` is that of any of its versions; the pages of one chain are all of the same version."""
        ...

    async def version(self, caller: Caller, artifact: str, number: int) -> tuple[Known, Version]:
        """One version; 0 is the newest."""
        ...

    async def task(self, caller: Caller, task: str, at: Point | None = None) -> Known:
        """One task that PSMP knows, by its id."""
        ...

    async def tasks(
        self,
        caller: Caller,
        project: str,
        wanted: Wanted,
        *,
        at: Point | None = None,
        state: WorkState | None = None,
        labels: Labels = (),
    ) -> Slice[Known]:
        """By id."""
        ...

    async def conflicts(
        self,
        caller: Caller,
        project: str | None,
        wanted: Wanted,
        *,
        severity: Severity | None = None,
        types: tuple[str, ...] = (),
        artifact: str = "",
        ended: bool = False,
        at: Point | None = None,
    ) -> Slice[FoundConflict]:
        """The longest open first; of every project where `project` is None. `ended` adds those that are gone."""
        ...

    async def conflict(self, caller: Caller, conflict: str) -> FoundConflict:
        """One conflict, also one that is gone."""
        ...

    async def report(
        self, caller: Caller, project: str, wanted: Wanted, *, cause: Cause | None = None, at: Point | None = None
    ) -> tuple[Slice[StuckItem], int]:
        """What is stuck, the longest first, and how many there are in all."""
        ...

    async def events(self, caller: Caller, project: str, after: int, size: int = 100) -> tuple[PastEvent, ...]:
        """What happened behind that version of the project, in order."""
        ...

    async def diff(self, caller: Caller, project: str, low: Point, high: Point | None, wanted: Wanted) -> Slice[Change]:
        """What changed from one point to another, by kind and name."""
        ...

    async def state_form(self, caller: Caller, project: str, at: Point | None = None) -> tuple[int, bytes]:
        """The project's version there, and the whole state of then in the form of RFC 8785."""
        ...

    async def provenance(
        self, caller: Caller, artifact: str, number: int, direction: Direction, depth: int
    ) -> Provenances:
        """Where a version comes from, or what was made from it."""
        ...

    async def checkpoint(self, caller: Caller, checkpoint: str) -> tuple[str, Checkpoint]:
        """The project of a checkpoint, and the checkpoint, by its id."""
        ...

    async def checkpoints(self, caller: Caller, project: str, wanted: Wanted) -> Slice[Checkpoint]:
        """The newest first."""
        ...

    def body(self, caller: Caller, artifact: str, number: int, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """The bytes of a version from `offset` on, in pieces. Raises `body_erased`."""
        ...
