"""A log that is only known by its right edge has the same roots and tiles as the whole one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_compliance_auditor.domain.edge import LogEdge, extend, split_hashes
from metaqore_compliance_auditor.domain.replay import tile_total
from metaqore_governance_core.merkle import leaf_hash, root
from metaqore_governance_core.tiles import tiles_of_edge


@settings(deadline=None, max_examples=30)
@given(st.lists(st.one_of(st.integers(1, 4), st.integers(200, 600)), min_size=1, max_size=6))
def test_appending_by_any_steps_gives_the_tree_of_rfc_6962(steps):
    leaves, stored, edge = [], {}, LogEdge()
    for step in steps:
        fresh = [leaf_hash(str(len(leaves) + number).encode()) for number in range(step)]
        leaves += fresh
        edge, changed = extend(edge, fresh)
        stored |= {tile: b"".join(hashes) for tile, hashes in changed.items()}
        assert edge.root() == root(leaves)
        assert len(stored) == tile_total(len(leaves))
        # What the next process reads back.
        edge = LogEdge(edge.size, {tile: split_hashes(stored[tile]) for tile in tiles_of_edge(edge.size)})
        assert edge.root() == root(leaves)
