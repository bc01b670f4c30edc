"""The blocking report of a large project: all that is stuck is looked at, and a page of it is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.lookup_ports import Among, Catalog
from metaqore_ai_gateway.service.psmp.walk import walk
from metaqore_governance_core.psmp.artifact_state import Artifact, Phase
from metaqore_governance_core.psmp.blocking_report import Cause, StuckItem, blocking_report
from metaqore_governance_core.psmp.work import WorkState

_HELD_UP: Final = (WorkState.INTERRUPTED, WorkState.CLAIMED, WorkState.RUNNING)

Place: TypeAlias = tuple[int, str, str, str]
"""Where in their order an item is: since when, what, the cause, and why."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A project at a version; `now_us` is the time by which leases are over."""

    organization: str
    project: str
    version: int
    now_us: int


@dataclass(frozen=True, slots=True)
class Report:
    """What is stuck in a project."""

    catalog: Catalog

    async def __call__(
        self, at: Moment, *, cause: Cause | None, after: Place | None, size: int
    ) -> tuple[list[StuckItem], int]:
        """At most `size` items behind `after`, the longest stuck first, and how many there are in all."""
        kept: list[StuckItem] = []
        total = 0
        async for found in self._stuck(at):
            matching = [one for one in found if cause is None or one.cause is cause]
            total += len(matching)
            behind = [one for one in matching if after is None or place_of(one) > after]
            kept = sorted([*kept, *behind], key=place_of)[:size]
        return kept, total

    async def _stuck(self, at: Moment) -> AsyncIterator[tuple[StuckItem, ...]]:
        ref = Ref(Kind.PROJECT, at.project)
        known = (await self.catalog.at(at.organization, at.project, [ref], at.version)).get(ref)
        if known is None:
            return
        project = known.project_state
        yield blocking_report(project, (), (), at.now_us)
        for phase in (Phase.BLOCKED, Phase.PROPOSED):
            async for batch in walk(self.catalog, at.organization, _among(at, Kind.ARTIFACT), standing=phase):
                artifacts = [one.artifact for one in batch if _leads(one.artifact, phase)]
                yield _of_things(blocking_report(project, artifacts, (), at.now_us))
        for state in _HELD_UP:
            async for batch in walk(self.catalog, at.organization, _among(at, Kind.TASK), standing=state):
                tasks = [one.work for one in batch if one.work.state is state]
                yield _of_things(blocking_report(project, (), tasks, at.now_us))


def place_of(item: StuckItem) -> Place:
    """Where in their order an item is."""
    return item.since_us, item.item, item.cause.value, item.why


def _among(at: Moment, kind: Kind) -> Among:
    return Among(at.project, at.version, kind)


def _leads(artifact: Artifact, phase: Phase) -> bool:
    """Whether the artifact is told of in the turn of this phase: with its blocked versions, if it has any."""
    phases = {version.phase for version in artifact.versions}
    return phase in phases and (phase is Phase.BLOCKED or Phase.BLOCKED not in phases)


def _of_things(found: tuple[StuckItem, ...]) -> tuple[StuckItem, ...]:
    """Without the project's own, which is told once."""
    return tuple(one for one in found if one.cause is not Cause.FROZEN)
