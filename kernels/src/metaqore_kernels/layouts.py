"""The permutation in the layouts that engines take, for arrays of any place: vLLM's, and DeepGEMM's."""

from __future__ import annotations

from typing import Any

from metaqore_kernels.checks import INTEGERS, check_array, check_layout, check_matrix
from metaqore_kernels.placement import as_given, as_numpy, gpu_operations, on_gpu
from metaqore_kernels.reference import layouts
from metaqore_kernels.reference.layouts import AlignedBlocks, GroupedRows, MaskedRows
from metaqore_kernels.results import Array

__all__ = ["AlignedBlocks", "GroupedRows", "MaskedRows", "grouped_rows", "masked_rows", "moe_align_block_size"]


def moe_align_block_size(
    ids: Array,
    block: int,
    num_experts: int,
    expert_map: Array | None = None,
    *,
    pad_sorted_ids: bool = False,
    ignore_invalid_experts: bool = False,
    stream: Any = None,
) -> AlignedBlocks:
    """As vLLM's function of this name, with its sizes and sentinels; stable, and an id out of range has no row."""
    check_matrix("ids", ids, *INTEGERS)
    check_layout(num_experts, block)
    check_array("expert_map", expert_map, ("int32",), (num_experts,))
    if on_gpu(ids, expert_map):
        return gpu_operations(ids, stream).moe_align_block_size(
            ids,
            block,
            num_experts,
            expert_map,
            pad_sorted_ids=pad_sorted_ids,
            ignore_invalid_experts=ignore_invalid_experts,
        )
    aligned: AlignedBlocks = as_given(
        layouts.moe_align_block_size(
            as_numpy(ids),
            block,
            num_experts,
            as_numpy(expert_map),
            pad_sorted_ids=pad_sorted_ids,
            ignore_invalid_experts=ignore_invalid_experts,
        ),
        ids,
    )
    return aligned


def grouped_rows(ids: Array, num_experts: int, block: int = 128, *, stream: Any = None) -> GroupedRows:
    """What DeepGEMM's contiguous grouped products take: the expert of each row, or the ends of real rows."""
    check_matrix("ids", ids, *INTEGERS)
    check_layout(num_experts, block)
    if on_gpu(ids):
        return gpu_operations(ids, stream).grouped_rows(ids, num_experts, block)
    grouped: GroupedRows = as_given(layouts.grouped_rows(as_numpy(ids), num_experts, block), ids)
    return grouped


def masked_rows(ids: Array, num_experts: int, max_m: int, *, stream: Any = None) -> MaskedRows:
    """What DeepGEMM's masked grouped products take: [E, max_m] rows, of which `masked_m` count."""
    check_matrix("ids", ids, *INTEGERS)
    check_layout(num_experts, 1)
    if max_m < 0 or num_experts * max_m >= 2**31:
        raise ValueError(f"max_m is at least 0, and num_experts * max_m under 2**31, not {num_experts} * {max_m}.")
    if on_gpu(ids):
        return gpu_operations(ids, stream).masked_rows(ids, num_experts, max_m)
    masked: MaskedRows = as_given(layouts.masked_rows(as_numpy(ids), num_experts, max_m), ids)
    return masked
