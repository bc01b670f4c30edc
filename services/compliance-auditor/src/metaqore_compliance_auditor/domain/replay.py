"""A log replayed from its entries: the tree, tiles and numbers that they lead to, against those that are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from metaqore_compliance_auditor.domain.edge import LogEdge, Tiles, extend
from metaqore_compliance_auditor.domain.evidence import fault_at
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.seals import Head
from metaqore_compliance_auditor.domain.stored import StoredEntry
from metaqore_governance_core.compact_range import CompactRange
from metaqore_governance_core.merkle import HASH_BYTES
from metaqore_governance_core.tiles import TILE_HEIGHT, TILE_WIDTH, Tile

_UNKNOWN = bytes(HASH_BYTES)


@dataclass(slots=True)
class Replay:
    """The replay of one log, page after page. `progress`: by writer, its last sequence and number here."""

    organization: str
    edge: LogEdge = field(default_factory=LogEdge)
    tree: CompactRange = field(default_factory=CompactRange)
    progress: dict[str, tuple[int, int]] = field(default_factory=dict)

    def whole(self, start: int, end: int, entries: Sequence[StoredEntry], tiles: Tiles) -> Iterator[Fault | bytes]:
        """The leaf hashes from `start` to `end`, those of missing entries from the tiles, and each gap as a fault."""
        found = {entry.index: entry.leaf_hash for entry in entries}
        for index in range(start, end):
            if index not in found:
                yield Fault("missing_entry", f"Entry {index} is missing.", self.organization, index)
            yield found[index] if index in found else _leaf_in(tiles, index)

    def number_faults(self, entries: Sequence[StoredEntry]) -> Iterator[Fault]:
        """Where a writer's numbers do not follow each other."""
        for entry in entries:
            sequence, number = self.progress.get(entry.writer, (0, 0))
            if entry.organization_sequence != number + 1:
                message = f"Number {entry.organization_sequence} of the writer stands where {number + 1} belongs."
                yield fault_at(entry, self.organization, "organization_sequence_gap", message)
            if entry.sequence <= sequence:
                message = f"Sequence {entry.sequence} of the writer stands behind {sequence}."
                yield fault_at(entry, self.organization, "sequence_out_of_order", message)
            self.progress[entry.writer] = (entry.sequence, entry.organization_sequence)

    def grow(self, hashes: Sequence[bytes], heads: Mapping[int, bytes]) -> tuple[Tiles, list[int]]:
        """Take in leaf hashes. Gives the tiles that have grown, and the sizes among `heads` with another root."""
        differing = []
        for leaf in hashes:
            self.tree.append(leaf)
            wanted = heads.get(self.tree.size)
            if wanted is not None and wanted != self.tree.root():
                differing.append(self.tree.size)
        self.edge, tiles = extend(self.edge, hashes)
        return tiles, differing

    @property
    def head(self) -> Head:
        """What the entries so far lead to."""
        return Head(self.tree.size, self.tree.root())


def tile_faults(organization: str, expected: Tiles, stored: Tiles) -> Iterator[Fault]:
    """Where stored tiles are not those that the entries lead to."""
    for tile, hashes in expected.items():
        found = stored.get(tile)
        if found is None:
            message = f"Tile {tile.number} of level {tile.level} is missing."
            yield Fault("tile_missing", message, organization, _first_leaf(tile, 0))
        elif found != hashes:
            pairs = zip(hashes, (*found, *(_UNKNOWN,) * len(hashes)), strict=False)
            place = next((place for place, (one, other) in enumerate(pairs) if one != other), len(hashes))
            message = f"Hash {place} in tile {tile.number} of level {tile.level} is not what the entries lead to."
            yield Fault("tile_mismatch", message, organization, _first_leaf(tile, place))


def is_full(hashes: Sequence[bytes]) -> bool:
    """Whether a tile with these hashes will not grow any more."""
    return len(hashes) == TILE_WIDTH


def tile_total(size: int) -> int:
    """How many tiles a log of `size` leaves has."""
    total, count = 0, size
    while count:
        total += -(-count // TILE_WIDTH)
        count //= TILE_WIDTH
    return total


def _first_leaf(tile: Tile, place: int) -> int:
    level, number = tile
    return (number * TILE_WIDTH + place) << (TILE_HEIGHT * level)


def _leaf_in(tiles: Tiles, index: int) -> bytes:
    tile, place = divmod(index, TILE_WIDTH)
    hashes = tiles.get(Tile(0, tile), ())
    return hashes[place] if place < len(hashes) else _UNKNOWN
