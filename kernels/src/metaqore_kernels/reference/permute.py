"""route_permute: rows grouped by expert, in the order of their tokens, each group padded to whole blocks."""

from __future__ import annotations

import numpy as np

from metaqore_kernels.formats import Array
from metaqore_kernels.results import Permutation
from metaqore_kernels.sizes import permutation_rows


def route_permute(ids: Array, num_experts: int, block: int, capacity: int | None = None) -> Permutation:
    """The permutation of ids [T, k]; ids outside 0 .. num_experts-1 have no row, nor have slots past `capacity`."""
    slots = np.asarray(ids).reshape(-1).astype(np.int64)
    real = (slots >= 0) & (slots < num_experts)
    order = np.argsort(np.where(real, slots, num_experts), kind="stable")[: np.count_nonzero(real)]
    found = np.bincount(slots[real], minlength=num_experts)
    rank = np.arange(len(order)) - (np.cumsum(found) - found)[slots[order]]
    counts = found if capacity is None else np.minimum(found, capacity)
    kept = order[rank < counts[slots[order]]]
    rank = rank[rank < counts[slots[order]]]
    offsets = np.concatenate([[0], np.cumsum(-(-counts // block) * block)])

    rows = permutation_rows(slots.size, num_experts, block, capacity)
    permutation = np.full(rows, -1, np.int32)
    permutation[offsets[slots[kept]] + rank] = kept
    inverse = np.full(slots.size, -1, np.int32)
    inverse[kept] = offsets[slots[kept]] + rank
    block_experts = np.full(rows // block, -1, np.int32)
    in_use = offsets[-1] // block
    block_experts[:in_use] = np.repeat(np.arange(num_experts), np.diff(offsets) // block)
    return Permutation(
        permutation, inverse.reshape(ids.shape), counts.astype(np.int32), offsets.astype(np.int32), block_experts
    )
