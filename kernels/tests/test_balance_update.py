import numpy as np

from metaqore_kernels import balance_update


def test_the_overloaded_get_less_and_the_idle_more():
    got = balance_update(np.array([9, 3, 0, 0], np.int32), np.zeros(4, np.float32), 0.001)
    np.testing.assert_array_equal(got, np.float32([-0.001, 0, 0.001, 0.001]))


def test_the_mean_need_not_be_whole():
    got = balance_update(np.array([2, 1, 1], np.int64), np.ones(3, np.float32), 0.5)
    np.testing.assert_array_equal(got, np.float32([0.5, 1.5, 1.5]))


def test_counts_whose_sum_passes_int32():
    got = balance_update(np.array([2**31 - 1, 2**31 - 1, 0], np.int32), np.zeros(3, np.float32), 1)
    np.testing.assert_array_equal(got, [-1, -1, 1])
