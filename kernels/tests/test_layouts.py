import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_kernels import grouped_rows, masked_rows, moe_align_block_size


def test_the_example_in_vllms_docstring():
    # its experts are 1..4 and it counts four: here they are 0..3
    ids = np.array([[2, 3, 4], [1, 2, 4], [1, 3, 4], [1, 2, 3]], np.int32) - 1
    got = moe_align_block_size(ids, 4, 4)
    np.testing.assert_array_equal(got.sorted_token_ids[:16], [3, 6, 9, 12, 0, 4, 10, 12, 1, 7, 11, 12, 2, 5, 8, 12])
    np.testing.assert_array_equal(got.expert_ids[:4], [0, 1, 2, 3])
    assert got.num_tokens_post_pad == [16]
    assert len(got.sorted_token_ids) == 12 + 4 * 3


def loop_align(ids, block, experts):
    """vLLM's layout as its text says, one slot at a time."""
    sorted_ids, owners = [], []
    for expert in range(experts):
        mine = [slot for slot, e in enumerate(ids.reshape(-1)) if e == expert]
        mine += [ids.size] * (-len(mine) % block)
        sorted_ids += mine
        owners += [expert] * (len(mine) // block)
    return sorted_ids, owners


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 30), st.integers(1, 4), st.sampled_from([1, 8, 60]), st.sampled_from([1, 4, 16]), st.booleans())
def test_aligned_blocks(tokens, k, experts, block, pad):
    ids = np.random.default_rng(tokens).integers(0, experts, (tokens, k)).astype(np.int32)
    got = moe_align_block_size(ids, block, experts, pad_sorted_ids=pad)
    sorted_ids, owners = loop_align(ids, block, experts)
    assert got.num_tokens_post_pad == [len(sorted_ids)]
    np.testing.assert_array_equal(got.sorted_token_ids[: len(sorted_ids)], sorted_ids)
    assert (got.sorted_token_ids[len(sorted_ids) :] == ids.size).all()
    np.testing.assert_array_equal(got.expert_ids[: len(owners)], owners)


@pytest.mark.parametrize("ignore", [False, True])
def test_an_expert_map_marks_or_drops_what_is_elsewhere(ignore):
    ids = np.array([[0, 1], [2, 1]], np.int32)
    expert_map = np.array([-1, 0, 1], np.int32)
    got = moe_align_block_size(ids, 2, 3, expert_map, ignore_invalid_experts=ignore)
    expected = ([1, 3, 2, 4], [0, 1]) if ignore else ([0, 4, 1, 3, 2, 4], [-1, 0, 1])
    np.testing.assert_array_equal(got.sorted_token_ids[: len(expected[0])], expected[0])
    np.testing.assert_array_equal(got.expert_ids[: len(expected[1])], expected[1])


def test_deepgemm_contiguous_rows():
    got = grouped_rows(np.array([[0, 2], [2, 0], [2, 2]], np.int32), 4, 4)
    np.testing.assert_array_equal(got.m_indices[:8], [0, 0, -1, -1, 2, 2, 2, 2])
    np.testing.assert_array_equal(got.ends, [2, 4, 8, 8])


def test_deepgemm_masked_rows():
    got = masked_rows(np.array([[0, 2], [2, 0], [2, 2]], np.int32), 3, 3)
    np.testing.assert_array_equal(got.masked_m, [2, 0, 3])
    np.testing.assert_array_equal(got.permutation, [[0, 3, -1], [-1, -1, -1], [1, 2, 4]])
    np.testing.assert_array_equal(got.inverse, [[0, 6], [7, 1], [8, -1]])
