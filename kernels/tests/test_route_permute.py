import numpy as np
import pytest
from cases import same
from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_kernels import reference
from metaqore_kernels.sizes import permutation_rows


def test_rows_are_grouped_by_expert_in_the_order_of_tokens(path):
    got = path.route_permute(np.array([[2, 0], [0, 2], [2, -1]], np.int32), 4, 4)
    np.testing.assert_array_equal(got.permutation[:8], [1, 2, -1, -1, 0, 3, 4, -1])
    np.testing.assert_array_equal(got.inverse, [[4, 0], [1, 5], [6, -1]])
    np.testing.assert_array_equal(got.counts, [2, 0, 3, 0])
    np.testing.assert_array_equal(got.offsets, [0, 4, 4, 8, 8])
    np.testing.assert_array_equal(got.block_experts[:2], [0, 2])
    assert (got.permutation[8:] == -1).all()
    assert (got.block_experts[2:] == -1).all()


def test_capacity_drops_later_tokens_then_later_slots(path):
    got = path.route_permute(np.array([[0, 1], [0, 1], [1, 0]], np.int32), 2, 1, 2)
    np.testing.assert_array_equal(got.inverse, [[0, 2], [1, 3], [-1, -1]])
    np.testing.assert_array_equal(got.counts, [2, 2])


def test_ids_out_of_range_have_no_row(path):
    got = path.route_permute(np.array([[5, -1], [-7, 1], [2**31 - 1, -(2**31)]], np.int32), 5, 2)
    np.testing.assert_array_equal(got.inverse, [[-1, -1], [-1, 0], [-1, -1]])
    np.testing.assert_array_equal(got.counts, [0, 1, 0, 0, 0])


def test_int64_ids_that_would_wrap_have_no_row(path):
    got = path.route_permute(np.array([[2**32], [2**32 + 1], [1]], np.int64), 2, 1)
    np.testing.assert_array_equal(got.inverse, [[-1], [-1], [0]])


@pytest.mark.parametrize("shape", [(0, 2), (1, 1), (1, 8)])
def test_small_batches(path, shape):
    got = path.route_permute(np.zeros(shape, np.int32), 3, 16)
    assert got.counts[0] == np.prod(shape)
    assert len(got.permutation) % 16 == 0


def test_all_tokens_to_one_expert(path):
    got = path.route_permute(np.full((1000, 1), 63, np.int32), 64, 128)
    np.testing.assert_array_equal(got.inverse[:, 0], np.arange(1000))
    assert got.offsets[-1] == 1024


@st.composite
def assignments(draw):
    tokens, k = draw(st.integers(0, 60)), draw(st.integers(1, 8))
    experts = draw(st.sampled_from([1, 2, 7, 64, 257]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = draw(st.sampled_from([(0, experts), (-2, experts + 2), (0, 1)]))
    ids = rng.integers(low, high, (tokens, k)).astype(draw(st.sampled_from([np.int32, np.int64])))
    return ids, experts, draw(st.sampled_from([1, 4, 16, 128])), draw(st.sampled_from([None, 0, 1, 5]))


@settings(max_examples=300, deadline=None)
@given(assignments())
def test_the_contract_of_a_permutation(assignment):
    ids, experts, block, capacity = assignment
    got = reference.route_permute(*assignment)
    flat, inverse = ids.reshape(-1), got.inverse.reshape(-1)
    kept = np.flatnonzero(inverse >= 0)
    assert len(got.permutation) == permutation_rows(ids.size, experts, block, capacity)
    np.testing.assert_array_equal(got.permutation[inverse[kept]], kept)
    assert np.count_nonzero(got.permutation >= 0) == len(kept) == got.counts.sum()
    np.testing.assert_array_equal(got.block_experts[inverse[kept] // block], flat[kept])
    for expert in range(experts):
        mine = np.flatnonzero(flat == expert)[:capacity]
        np.testing.assert_array_equal(inverse[mine], got.offsets[expert] + np.arange(len(mine)))
        assert got.counts[expert] == len(mine)
    assert (np.diff(got.offsets) % block == 0).all()
    assert got.offsets[-1] <= len(got.permutation)


@settings(max_examples=200, deadline=None)
@given(assignments())
def test_every_path_permutes_as_the_oracle(assignment):
    cpu = pytest.importorskip("metaqore_kernels.cpu", exc_type=ImportError)
    assert same(cpu.route_permute(*assignment), reference.route_permute(*assignment))


def test_positions_that_would_overflow_are_refused():
    with pytest.raises(ValueError, match="int32"):
        permutation_rows(2**31, 8, 1)
    with pytest.raises(ValueError, match="padded"):
        permutation_rows(2**31 - 1, 8, 128)
