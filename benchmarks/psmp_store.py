"""Inside the service: the check alone, and a page of the past."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
from psmp_seed import BEGINNING_US, SeededProject

from metaqore_ai_gateway.adapters.psmp.history import PostgresHistory
from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
from metaqore_ai_gateway.collector import calm_collector
from metaqore_ai_gateway.service.psmp.judging import conflicts_now
from metaqore_ai_gateway.service.psmp.points import AtVersion
from metaqore_ai_gateway.service.psmp.workspace import Workspace
from metaqore_governance_core.psmp.artifact_state import Artifact, Content, Phase, Version
from metaqore_governance_core.psmp.conflicts.declaration import Declaration
from metaqore_governance_core.psmp.declared import declaration_of

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds, each of one call."""

    each_ms: Sequence[float]

    @property
    def p50_ms(self) -> float:
        """The median."""
        return statistics.median(self.each_ms)

    @property
    def p99_ms(self) -> float:
        """What one in a hundred exceeds."""
        return statistics.quantiles(self.each_ms, n=100)[98]


async def check(project: SeededProject, count: int, *, remembering: bool) -> Times:
    """From a content to its conflicts, under the project's lock, one after the other.

    A service remembers what it read of the index on packages, and begins here with nothing; without `remembering` each
    check does. The collector is told what the service tells it.
    """
    calm_collector()
    store = PostgresProjectStore(project.store.pool)
    each_ms = []
    for name, content in [project.declarations.next() for _ in range(count)]:
        if not remembering:
            store = PostgresProjectStore(project.store.pool)
        async with store.open(project.organization, project.id) as transaction:
            began = time.perf_counter()
            workspace = Workspace(transaction, project.organization, project.id)
            found = await conflicts_now(workspace, _declaration(project, name, content))
            each_ms.append((time.perf_counter() - began) * 1000)
        if found:
            raise RuntimeError(f"The seeded project clashes: {found[0].explanation}")
    return Times(each_ms)


def _declaration(project: SeededProject, name: str, content: Content) -> Declaration:
    version = Version(1, content, Phase.DRAFT, BEGINNING_US, "ann")
    artifact = Artifact(project.organization, project.id, name, versions=(version,))
    return declaration_of(artifact, version, BEGINNING_US)


async def page_of_the_past(
    pool: asyncpg.Pool[asyncpg.Record], project: SeededProject, newest: int, chance: random.Random
) -> float:
    """Milliseconds for a page of artifacts at a random version, from anywhere in their names."""
    version, after = chance.randrange(newest // 2, newest + 1), f"artifact-{chance.randrange(10**8):08}"
    history = PostgresHistory(pool)
    began = time.perf_counter()
    at = await history.version_at(project.organization, project.id, AtVersion(version))
    page = await history.page(project.organization, project.id, at, after=after, size=PAGE)
    elapsed_ms = (time.perf_counter() - began) * 1000
    if page.version != version or any(not one.versions for one in page.artifacts):
        raise RuntimeError("The page is not of that version.")
    return elapsed_ms
