"""The permutation in the layouts that engines take, for arrays of any place: vLLM's, and DeepGEMM's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metaqore_kernels.placement import as_numpy, on_gpu
from metaqore_kernels.reference import layouts
from metaqore_kernels.reference.layouts import AlignedBlocks, GroupedRows, MaskedRows
from metaqore_kernels.results import Array

if TYPE_CHECKING:
    from metaqore_kernels.cuda.operations import Operations

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
    if on_gpu(ids, expert_map):
        return on_its_gpu(ids, stream).moe_align_block_size(
            ids,
            block,
            num_experts,
            expert_map,
            pad_sorted_ids=pad_sorted_ids,
            ignore_invalid_experts=ignore_invalid_experts,
        )
    return layouts.moe_align_block_size(
        as_numpy(ids),
        block,
        num_experts,
        as_numpy(expert_map),
        pad_sorted_ids=pad_sorted_ids,
        ignore_invalid_experts=ignore_invalid_experts,
    )


def grouped_rows(ids: Array, num_experts: int, block: int = 128, *, stream: Any = None) -> GroupedRows:
    """What DeepGEMM's contiguous grouped products take: the expert of each row, or the ends of real rows."""
    if on_gpu(ids):
        return on_its_gpu(ids, stream).grouped_rows(ids, num_experts, block)
    return layouts.grouped_rows(as_numpy(ids), num_experts, block)


def masked_rows(ids: Array, num_experts: int, max_m: int, *, stream: Any = None) -> MaskedRows:
    """What DeepGEMM's masked grouped products take: [E, max_m] rows, of which `masked_m` count."""
    if on_gpu(ids):
        return on_its_gpu(ids, stream).masked_rows(ids, num_experts, max_m)
    return layouts.masked_rows(as_numpy(ids), num_experts, max_m)


def on_its_gpu(ids: Array, stream: Any) -> Operations:
    """The operations on the device of an array."""
    from metaqore_kernels import cuda

    return cuda.on(ids, stream)
