"""The right edge of a log: all that is needed to append to it and to know its root, whatever its size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metaqore_governance_core import tiles
from metaqore_governance_core.merkle import HASH_BYTES

Tiles = Mapping[tiles.Tile, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class LogEdge:
    """A log's size and the partial tiles at its right edge, by level."""

    size: int = 0
    tiles: Tiles = field(default_factory=dict)

    def root(self) -> bytes:
        """The log's root (RFC 6962 section 2.1). Raises `KeyError` or `ProofError` for an edge that lacks hashes."""
        return tiles.root(self.size, self.tiles.__getitem__)


def extend(edge: LogEdge, leaf_hashes: Sequence[bytes]) -> tuple[LogEdge, Tiles]:
    """The edge after these leaves, and the whole content of every tile that is new or has grown."""
    size = edge.size + len(leaf_hashes)
    changed = tiles.grow(edge.size, leaf_hashes, edge.tiles.__getitem__)
    partial = {tile: changed[tile] if tile in changed else edge.tiles[tile] for tile in tiles.tiles_of_edge(size)}
    return LogEdge(size, partial), changed


def split_hashes(stored: bytes) -> tuple[bytes, ...]:
    """The hashes of a stored tile, which lie one after the other."""
    return tuple(stored[start : start + HASH_BYTES] for start in range(0, len(stored), HASH_BYTES))
