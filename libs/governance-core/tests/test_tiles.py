"""A log of tiles answers as the tree over all its leaves does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_governance_core import merkle, tiles
from metaqore_governance_core.tiles import TILE_WIDTH, Tile

LEAVES = [merkle.leaf_hash(number.to_bytes(3)) for number in range(70_000)]
EDGES = [0, 1, 2, 3, 7, 8, 255, 256, 257, 511, 512, 513, 1000]


class Log:
    """The tiles of a log in memory, which notes what is read."""

    def __init__(self, sizes=()):
        self.tiles, self.size, self.read = {}, 0, set()
        for size in sizes:
            self.grow_to(size)

    def grow_to(self, size):
        expected = tiles.tiles_of_edge(self.size)
        self.read.clear()
        self.tiles |= tiles.grow(self.size, LEAVES[self.size : size], self)
        assert self.read <= expected
        self.size = size

    def __call__(self, tile):
        self.read.add(tile)
        return self.tiles[tile]

    def only(self, wanted):
        return {tile: self.tiles[tile] for tile in wanted}.__getitem__


def whole(size):
    return Log([size])


@pytest.mark.parametrize("size", [*range(20), *EDGES])
def test_root_and_proofs_are_those_of_the_whole_tree(size):
    log, leaves = whole(size), LEAVES[:size]
    assert tiles.root(size, log.only(tiles.tiles_of_edge(size))) == merkle.root(leaves)
    for index in range(0, size, max(1, size // 20)):
        read = log.only(tiles.tiles_of_inclusion(index, size))
        assert tiles.inclusion_path(index, size, read) == merkle.inclusion_path(leaves, index)
    for old in range(0, size + 1, max(1, size // 20)):
        read = log.only(tiles.tiles_of_consistency(old, size))
        assert tiles.consistency_path(old, size, read) == merkle.consistency_path(leaves, old)


def test_every_older_size_is_served_from_the_same_tiles():
    log = whole(600)
    for size in (1, 2, 255, 256, 257, 511, 599):
        assert tiles.root(size, log) == merkle.root(LEAVES[:size])
        assert tiles.inclusion_path(0, size, log) == merkle.inclusion_path(LEAVES[:size], 0)
        assert tiles.consistency_path(size, 600, log) == merkle.consistency_path(LEAVES[:600], size)


def test_three_levels():
    size = 65_536 + 256 + 3
    log, leaves = Log([65_535, 65_536, size]), LEAVES[:size]
    assert sorted({tile.level for tile in log.tiles}) == [0, 1, 2]
    tree = merkle.MerkleTree(leaves)
    assert tiles.root(size, log.only(tiles.tiles_of_edge(size))) == tree.root
    for index in (0, 255, 256, 65_535, 65_536, size - 1):
        read = log.only(tiles.tiles_of_inclusion(index, size))
        path = tiles.inclusion_path(index, size, read)
        assert path == tree.inclusion_path(index)
        assert len(tiles.tiles_of_inclusion(index, size)) <= 6
        merkle.verify_inclusion(leaves[index], index, size, path, tree.root)
    for old in (1, 256, 65_535, 65_536, 65_537):
        path = tiles.consistency_path(old, size, log.only(tiles.tiles_of_consistency(old, size)))
        merkle.verify_consistency(old, size, merkle.root(leaves[:old]), tree.root, path)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_how_a_log_grew_leaves_no_trace(steps):
    sizes = [sum(steps[: number + 1]) for number in range(len(steps))]
    assert Log(sizes).tiles == whole(sizes[-1]).tiles


@settings(max_examples=50)
@given(st.integers(0, 1200), st.integers(1, 400))
def test_a_tile_only_ever_grows_at_its_end(size, added):
    log = whole(size)
    changed = tiles.grow(size, LEAVES[size : size + added], log)
    for tile, hashes in changed.items():
        before = log.tiles.get(tile, ())
        assert hashes[: len(before)] == before
        assert len(before) < len(hashes) <= TILE_WIDTH


def test_nothing_added_changes_nothing():
    assert tiles.grow(300, [], whole(300)) == {}


def test_a_tile_of_level_one_holds_the_roots_of_full_tiles():
    log = whole(600)
    assert len(log.tiles[Tile(0, 2)]) == 600 - 512
    assert log.tiles[Tile(1, 0)] == (merkle.root(LEAVES[:256]), merkle.root(LEAVES[256:512]))


@pytest.mark.parametrize(
    "call",
    [
        lambda log: tiles.inclusion_path(600, 600, log),
        lambda log: tiles.inclusion_path(-1, 600, log),
        lambda log: tiles.consistency_path(601, 600, log),
        lambda _: tiles.tiles_of_inclusion(0, 0),
    ],
)
def test_what_is_not_in_the_log_is_refused(call):
    with pytest.raises(merkle.ProofError):
        call(whole(600))


def test_a_tile_that_is_too_short_is_named():
    log = whole(600)
    log.tiles[Tile(0, 2)] = log.tiles[Tile(0, 2)][:10]
    with pytest.raises(merkle.ProofError, match="Tile 2 of level 0"):
        tiles.root(600, log)
