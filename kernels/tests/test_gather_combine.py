import numpy as np
import pytest
from cases import same
from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_kernels import reference
from metaqore_kernels.formats import narrow, widen


def some_rows(tokens, hidden, dtype, seed=0):
    values = np.random.default_rng(seed).normal(size=(tokens, hidden)).astype(np.float32)
    return narrow(values, np.zeros(0, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint16])
def test_there_and_back_again(path, dtype):
    x = some_rows(50, 24, dtype)
    ids = np.argsort(np.random.default_rng(1).random((50, 8)), axis=-1)[:, :4].astype(np.int32)
    permutation = path.route_permute(ids, 8, 16)
    rows = path.gather_rows(x, permutation)
    np.testing.assert_array_equal(rows[permutation.inverse[7, 2]], x[7])
    assert not rows[permutation.permutation < 0].any()
    back = path.combine(rows, permutation.inverse, np.full((50, 4), 0.25, np.float32))
    np.testing.assert_array_equal(back, x)


def test_slots_are_added_first_to_last(path):
    y = np.array([[1e8], [1], [-1e8]], np.float32)
    got = path.combine(y, np.array([[0, 1, 2], [0, 2, 1]], np.int32), np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(got, [[0], [1]])


def test_a_dropped_slot_adds_nothing_even_if_its_weight_is_nan(path):
    got = path.combine(
        np.ones((1, 2), np.float32), np.array([[-1, 0], [-1, -1]], np.int32), np.float32([[np.nan, 2], [1, 1]])
    )
    np.testing.assert_array_equal(got, [[2, 2], [0, 0]])


def test_rows_and_slots_that_are_not_there_are_never_read(path):
    ones = np.ones((2, 3), np.float32)
    got = path.combine(ones, np.array([[0, 2], [2**31 - 1, -(2**31)]], np.int32), np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(got, [[1, 1, 1], [0, 0, 0]])
    placed = path.route_permute(np.zeros((3, 2), np.int32), 1, 2)
    np.testing.assert_array_equal(path.gather_rows(ones, placed)[:, 0], [1, 1, 1, 1, 0, 0])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 20),
    st.integers(1, 8),
    st.sampled_from([1, 7, 33]),
    st.sampled_from([np.float32, np.float16, np.uint16]),
)
def test_every_path_combines_as_the_oracle(tokens, k, hidden, dtype):
    cpu = pytest.importorskip("metaqore_kernels.cpu", exc_type=ImportError)
    rng = np.random.default_rng(tokens)
    y = some_rows(tokens * k + 1, hidden, dtype)
    inverse = rng.integers(-1, len(y), (tokens, k)).astype(np.int32)
    weights = rng.random((tokens, k)).astype(np.float32)
    assert same([cpu.combine(y, inverse, weights)], [reference.combine(y, inverse, weights)])


@given(st.integers(0, 2**32 - 1))
def test_bf16_is_rounded_to_nearest_even(bits):
    value = np.array([bits], np.uint32).view(np.float32)
    got = widen(narrow(value, np.zeros(0, np.uint16)))
    if np.isnan(value):
        assert np.isnan(got)
    else:
        around = (
            np.array([bits & 0xFFFF0000, (bits & 0xFFFF0000) + 0x10000], np.uint64).astype(np.uint32).view(np.float32)
        )
        low, high = (np.float64(v) if np.isfinite(v) else np.copysign(2.0**128, value[0]) for v in around)
        exact = np.float64(value[0]) if np.isfinite(value[0]) else low
        nearest = low if abs(exact - low) < abs(exact - high) else high
        if abs(exact - low) == abs(exact - high):
            nearest = low if (bits >> 16) % 2 == 0 else high
        with np.errstate(over="ignore"):
            assert got[0] == np.float32(nearest)
