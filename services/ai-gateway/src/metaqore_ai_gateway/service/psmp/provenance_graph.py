"""Where a version comes from and what was made from it, step by step as far as is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from metaqore_ai_gateway.service.psmp.lookup_ports import Provenance
from metaqore_ai_gateway.service.psmp.reading_ports import Direction, Edge, Origin, Provenances

MOST_VERSIONS: Final = 1_000
MOST_EDGES: Final = 5_000
DEEPEST: Final = 100


@dataclass(slots=True)
class _Graph:
    depths: dict[str, int]
    edges: list[Edge] = field(default_factory=list)
    cut: bool = False

    def take(self, found: list[Edge], direction: Direction, depth: int) -> list[str]:
        """Add what was found a step further; gives what is new of it."""
        new: list[str] = []
        for edge in found:
            other = edge.source if direction is Direction.SOURCES else edge.made
            if other not in self.depths:
                if len(self.depths) >= MOST_VERSIONS:
                    self.cut = True
                    continue
                self.depths[other] = depth
                new.append(other)
            self.edges.append(edge)
        return new


@dataclass(frozen=True, slots=True)
class ProvenanceGraph:
    """Follows provenance in one direction."""

    provenance: Provenance

    async def __call__(
        self, organization: str, artifact_id: str, number: int, direction: Direction, depth: int
    ) -> Provenances:
        """The graph around one version, no larger than the bounds of this module."""
        begin = f"{artifact_id}@{number}"
        graph = _Graph({begin: 0})
        frontier = [begin]
        for step in range(1, min(depth, DEEPEST) + 1):
            if not frontier:
                break
            room = MOST_EDGES - len(graph.edges)
            found = list(
                await self.provenance.edges(organization, [read(one) for one in frontier], direction, room + 1)
            )
            if len(found) > room:
                graph.cut, found = True, found[:room]
            frontier = graph.take(found, direction, step)
        return await self._told(organization, graph)

    async def _told(self, organization: str, graph: _Graph) -> Provenances:
        ids = {read(one)[0] for one in graph.depths}
        artifacts = await self.provenance.artifacts(organization, ids)
        origins: list[Origin] = []
        unknown: list[str] = []
        for one, depth in graph.depths.items():
            id_, number = read(one)
            known = artifacts.get(id_)
            if known is None or not 1 <= number <= len(known.artifact.versions):
                unknown.append(one)
            else:
                origins.append(Origin(known, known.artifact.versions[number - 1], depth))
        origins.sort(key=lambda one: (one.depth, one.artifact.project, one.artifact.ref, one.version.number))
        edges = sorted(set(graph.edges), key=lambda one: (one.made, one.source, one.relation))
        return Provenances(tuple(origins), tuple(edges), tuple(sorted(unknown)), graph.cut)


def read(version: str) -> tuple[str, int]:
    """The id of the artifact and the number in `<artifact id>@<version>`."""
    id_, _, number = version.rpartition("@")
    return id_, int(number)
