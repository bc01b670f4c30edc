"""route_permute: count, lay out, and place, each slot visited in the order of its token."""

from __future__ import annotations

import numpy as np

from metaqore_kernels.cpu.compiler import compiled
from metaqore_kernels.formats import Array
from metaqore_kernels.results import Permutation
from metaqore_kernels.sizes import permutation_rows


def route_permute(ids: Array, num_experts: int, block: int, capacity: int | None = None) -> Permutation:
    """As `reference.permute.route_permute`."""
    slots = np.ascontiguousarray(ids).reshape(-1)
    rows = permutation_rows(slots.size, num_experts, block, capacity)
    result = Permutation(
        np.full(rows, -1, np.int32),
        np.full(ids.shape, -1, np.int32),
        np.zeros(num_experts, np.int32),
        np.zeros(num_experts + 1, np.int32),
        np.full(rows // block, -1, np.int32),
    )
    place(
        slots, block, slots.size if capacity is None else capacity, *result[:1], result.inverse.reshape(-1), *result[2:]
    )
    return result


@compiled
def place(
    slots: np.ndarray,
    block: int,
    capacity: int,
    permutation: np.ndarray,
    inverse: np.ndarray,
    counts: np.ndarray,
    offsets: np.ndarray,
    block_experts: np.ndarray,
) -> None:
    """Fill the arrays of a Permutation."""
    experts = counts.shape[0]
    for expert in slots:
        if 0 <= expert < experts and counts[expert] < capacity:
            counts[expert] += 1
    for e in range(experts):
        blocks = (counts[e] + block - 1) // block
        first = offsets[e] // block
        block_experts[first : first + blocks] = e
        offsets[e + 1] = offsets[e] + blocks * block
    rank = np.zeros(experts, np.int32)
    for slot in range(slots.shape[0]):
        expert = slots[slot]
        if 0 <= expert < experts and rank[expert] < capacity:
            row = offsets[expert] + rank[expert]
            rank[expert] += 1
            permutation[row] = slot
            inverse[slot] = row
