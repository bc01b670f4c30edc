"""gather_rows and combine: tokens to the rows of their experts, and the experts' answers back, weighted."""

from __future__ import annotations

import numpy as np

from metaqore_kernels.formats import Array, Floats, narrow, widen
from metaqore_kernels.results import Permutation


def gather_rows(x: Array, permutation: Permutation) -> Array:
    """Row r of the result is the token in row r of the permutation; padding, and a slot that x has not, is 0."""
    slots = permutation.permutation
    real = (slots >= 0) & (slots < len(x) * permutation.inverse.shape[1])
    rows = np.zeros((len(slots), x.shape[1]), x.dtype)
    rows[real] = x[slots[real] // permutation.inverse.shape[1]]
    return rows


def combine(y: Array, inverse: Array, weights: Floats) -> Array:
    """Each token's sum of weight * row over its slots, first slot first, in fp32, rounded once to the type of `y`.

    A slot whose row `y` has not adds nothing.
    """
    total = np.zeros((len(inverse), y.shape[1]), np.float32)
    with np.errstate(all="ignore"):
        for j in range(inverse.shape[1]):
            real = (inverse[:, j] >= 0) & (inverse[:, j] < len(y))
            total[real] += weights[real, j, None] * widen(y[inverse[real, j]])
    return narrow(total, y)
