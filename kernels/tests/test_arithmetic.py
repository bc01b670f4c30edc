import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_kernels.reference import arithmetic


def ulps(got, exact):
    return np.max(np.abs(got.astype(np.float64) - exact) / np.spacing(np.abs(exact).astype(np.float32)))


X = np.random.default_rng(3).uniform(-100, 100, 200_000).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "exact", "x", "bound"),
    [
        (arithmetic.exp_nonpositive, np.exp, -np.abs(X), 1.1),
        (arithmetic.log1p_unit, np.log1p, np.abs(X) / 100, 2.0),
        (arithmetic.sigmoid, lambda x: 1 / (1 + np.exp(-x)), X[X > -87], 2.5),
        (arithmetic.sqrt_softplus, lambda x: np.sqrt(np.logaddexp(0, x)), X[X > -87], 2.5),
    ],
)
def test_each_function_is_close_to_the_exact_value(function, exact, x, bound):
    assert ulps(function(x), exact(x.astype(np.float64))) <= bound


def test_exp_keeps_subnormals_and_ends_at_zero():
    x = np.array([0, -0.0, -103.0, -103.9, -104, -1e30, -np.inf], np.float32)
    np.testing.assert_array_equal(
        arithmetic.exp_nonpositive(x), np.float32([1, 1, 1.4e-45, 1.4e-45, 0, 0, 0]), strict=True
    )


def test_no_operation_is_fused():
    # fma(a, b, c) keeps the low half of a*b, which two rounded operations lose
    a = np.float32(1) + np.float32(2**-12)
    assert arithmetic.dot(np.array([a, -1], np.float32), np.array([a, 1 + 2**-11], np.float32)) == 0


@given(st.lists(st.floats(0, 1e6, width=32), max_size=70), st.integers(0, 3))
def test_zeros_behind_change_no_sum(values, more):
    x = np.array(values, np.float32)
    longer = np.concatenate([x, np.zeros(len(x) * more + more, np.float32)])
    assert arithmetic.neighbour_sum(x) == arithmetic.neighbour_sum(longer)


def test_the_tree_is_not_a_loop():
    x = np.array([1, 2**-24, 2**-24, 2**-24, 2**-24], np.float32)
    assert arithmetic.neighbour_sum(x) == np.float32(1 + 2**-22)  # a loop gives 1
