"""balance_update: balancing without an auxiliary loss (Wang et al. 2024, arXiv:2408.15664)."""

from __future__ import annotations

import numpy as np

from metaqore_kernels.formats import Array, Floats


def balance_update(counts: Array, bias: Floats, gamma: float) -> Floats:
    """The bias, raised by gamma for experts under the mean load and lowered for those over it."""
    load = counts.astype(np.int64)
    direction = np.sign(load.sum() - load * load.size)  # of mean - load, without a division
    result: Floats = bias + direction.astype(np.float32) * np.float32(gamma)
    return result
