"""A log kept as tiles of 256 hashes, as C2SP tlog-tiles lays them out (height 8).

Tile (level L, number N) holds the roots of the complete subtrees of 256^L leaves from number 256·N on, lowest first.
Level 0 holds leaf hashes; a tile above level 0 gets a hash once the tile below it is full. The last tile of a level
may be partial; a longer version of a tile always begins with the shorter one, so a tile serves every older size too.

Every function is pure and takes `read`, which gives a tile's hashes. Where reading waits, ask the function's
`tiles_of_…` twin first, fetch those tiles, and pass `dict.__getitem__` of what came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from metaqore_governance_core.merkle import (
    EMPTY_ROOT,
    MerkleTree,
    ProofError,
    check_index,
    check_sizes,
    largest_power_below,
    node_hash,
)

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT


class Tile(NamedTuple):
    """Where a tile lies."""

    level: int
    number: int


class Node(NamedTuple):
    """A complete subtree of 2^height leaves, the `number`-th of its height."""

    height: int
    number: int


ReadTile = Callable[[Tile], Sequence[bytes]]
"""The hashes of a tile, at least as many as the log's size calls for."""

_Range = tuple[Node, ...]
"""Complete subtrees, left to right and ever smaller, whose hashes fold to the root of the leaves that they cover."""


def grow(size: int, leaf_hashes: Sequence[bytes], read: ReadTile) -> dict[Tile, tuple[bytes, ...]]:
    """The whole new content of every tile that changes when these leaves join a log of `size` leaves.

    Reads only the partial tiles at the old right edge, `tiles_of_edge(size)`.
    """
    changed: dict[Tile, tuple[bytes, ...]] = {}
    level, count, added = 0, size, list(leaf_hashes)
    while added:
        first, partial = divmod(count, TILE_WIDTH)
        hashes = [*(read(Tile(level, first))[:partial] if partial else ()), *added]
        tiles = [tuple(hashes[start : start + TILE_WIDTH]) for start in range(0, len(hashes), TILE_WIDTH)]
        changed.update((Tile(level, first + number), tile) for number, tile in enumerate(tiles))
        added = [MerkleTree(tile).root for tile in tiles if len(tile) == TILE_WIDTH]
        level, count = level + 1, first
    return changed


def tiles_of_edge(size: int) -> frozenset[Tile]:
    """The partial tiles of a log of that size: what `grow` reads."""
    tiles = set()
    level, count = 0, size
    while count:
        count, partial = divmod(count, TILE_WIDTH)
        if partial:
            tiles.add(Tile(level, count))
        level += 1
    return frozenset(tiles)


def root(size: int, read: ReadTile) -> bytes:
    """The root of the first `size` leaves (RFC 6962 section 2.1)."""
    return _fold(_range(0, size), read) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, read: ReadTile) -> tuple[bytes, ...]:
    """PATH(index, D[size]) (RFC 6962 section 2.1.1). Raises `ProofError` past the last leaf."""
    return tuple(_fold(part, read) for part in _inclusion_ranges(index, size))


def tiles_of_inclusion(index: int, size: int) -> frozenset[Tile]:
    """What `inclusion_path` reads."""
    return _tiles(_inclusion_ranges(index, size))


def consistency_path(old_size: int, new_size: int, read: ReadTile) -> tuple[bytes, ...]:
    """PROOF(old_size, D[new_size]) (RFC 6962 section 2.1.2); empty where the old size is 0 or the new one."""
    return tuple(_fold(part, read) for part in _consistency_ranges(old_size, new_size))


def tiles_of_consistency(old_size: int, new_size: int) -> frozenset[Tile]:
    """What `consistency_path` reads."""
    return _tiles(_consistency_ranges(old_size, new_size))


def _range(begin: int, end: int) -> _Range:
    """The complete subtrees that make up the leaves from `begin` to `end`, which is a subtree of some size."""
    nodes = []
    while begin < end:
        height = (end - begin).bit_length() - 1
        nodes.append(Node(height, begin >> height))
        begin += 1 << height
    return tuple(nodes)


def _inclusion_ranges(index: int, size: int) -> list[_Range]:
    check_index(index, size)
    ranges = []
    begin, end = 0, size
    while end - begin > 1:
        split = begin + largest_power_below(end - begin)
        if index < split:
            ranges.append(_range(split, end))
            end = split
        else:
            ranges.append(_range(begin, split))
            begin = split
    return ranges[::-1]


def _consistency_ranges(old_size: int, new_size: int) -> list[_Range]:
    check_sizes(old_size, new_size)
    ranges: list[_Range] = []
    begin, end = 0, new_size
    while 0 < old_size < end:
        split = begin + largest_power_below(end - begin)
        if old_size <= split:
            ranges.append(_range(split, end))
            end = split
        else:
            ranges.append(_range(begin, split))
            begin = split
    if ranges and begin:
        ranges.append(_range(begin, end))
    return ranges[::-1]


def _tile_of(node: Node) -> tuple[Tile, int, int]:
    """The tile that holds the node's hash or its nearest descendants, with their first position and number."""
    level, rest = divmod(node.height, TILE_HEIGHT)
    first = node.number << rest
    return Tile(level, first // TILE_WIDTH), first % TILE_WIDTH, 1 << rest


def _tiles(ranges: Iterable[_Range]) -> frozenset[Tile]:
    return frozenset(_tile_of(node)[0] for nodes in ranges for node in nodes)


def _hash_of(node: Node, read: ReadTile) -> bytes:
    tile, first, count = _tile_of(node)
    hashes = read(tile)[first : first + count]
    if len(hashes) != count:
        raise ProofError(
            "tile_too_short", f"Tile {tile.number} of level {tile.level} lacks hashes the log's size needs."
        )
    return MerkleTree(hashes).root


def _fold(nodes: _Range, read: ReadTile) -> bytes:
    *left, last = (_hash_of(node, read) for node in nodes)
    for sibling in reversed(left):
        last = node_hash(sibling, last)
    return last
