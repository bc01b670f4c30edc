"""The permutation in the layouts of the engines that multiply by expert: vLLM's, and DeepGEMM's three."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaqore_kernels.formats import Array
from metaqore_kernels.reference.permute import route_permute
from metaqore_kernels.sizes import aligned_slots, ceil_div


class AlignedBlocks(NamedTuple):
    """What vLLM's `moe_align_block_size` returns."""

    sorted_token_ids: Array  # int32 [bound]: slots, and T*k where a row is padding
    expert_ids: Array  # int32 [ceil(bound/block)]
    num_tokens_post_pad: Array  # int32 [1]


class GroupedRows(NamedTuple):
    """DeepGEMM's contiguous grouped layouts, both descriptions of the same rows."""

    m_indices: Array  # int32 [rows]: the expert of each row, -1 where the row is padding
    ends: Array  # int32 [E]: where an expert's real rows end; the next begins at the following multiple of `block`


class MaskedRows(NamedTuple):
    """DeepGEMM's masked grouped layout: [E, max_m, ...], of which the first `masked_m` of each expert count."""

    permutation: Array  # int32 [E, max_m]: the slot in each row, -1 where the row is padding
    inverse: Array  # int32 [T, k]: e*max_m + row, -1 where the slot was dropped
    masked_m: Array  # int32 [E]


def moe_align_block_size(
    ids: Array,
    block: int,
    num_experts: int,
    expert_map: Array | None = None,
    *,
    pad_sorted_ids: bool = False,
    ignore_invalid_experts: bool = False,
) -> AlignedBlocks:
    """`ids` in vLLM's layout. Unlike its kernel, this one is stable, and an id out of range has no row."""
    if expert_map is not None and ignore_invalid_experts:
        inside = (ids >= 0) & (ids < num_experts)
        ids = np.where(inside, np.where(expert_map[np.where(inside, ids, 0)] >= 0, ids, -1), -1)
    native = route_permute(ids, num_experts, block)
    bound = aligned_slots(ids.size, num_experts, block, pad=pad_sorted_ids)
    used = int(native.offsets[-1])
    sorted_ids = np.full(bound, ids.size, np.int32)
    sorted_ids[:used] = np.where(native.permutation[:used] >= 0, native.permutation[:used], ids.size)
    expert_ids = np.full(ceil_div(bound, block), -1 if expert_map is not None else 0, np.int32)
    owners = native.block_experts[: used // block]
    expert_ids[: len(owners)] = owners if expert_map is None else expert_map[owners]
    return AlignedBlocks(sorted_ids, expert_ids, native.offsets[-1:].copy())


def grouped_rows(ids: Array, num_experts: int, block: int = 128) -> GroupedRows:
    """`ids` in DeepGEMM's contiguous layouts; `gather_rows` with the same block puts the rows there."""
    native = route_permute(ids, num_experts, block)
    m_indices = np.where(native.permutation >= 0, np.repeat(native.block_experts, block), -1).astype(np.int32)
    return GroupedRows(m_indices, native.offsets[:-1] + native.counts)


def masked_rows(ids: Array, num_experts: int, max_m: int) -> MaskedRows:
    """`ids` in DeepGEMM's masked layout; slots past `max_m` of an expert are dropped, in the order of tokens."""
    native = route_permute(ids, num_experts, 1, max_m)
    slots = native.permutation[: native.offsets[-1]]
    expert = np.repeat(np.arange(num_experts), native.counts)
    place = expert * max_m + np.arange(len(slots)) - native.offsets[expert]
    permutation = np.full(num_experts * max_m, -1, np.int32)
    permutation[place] = slots
    inverse = np.full(ids.size, -1, np.int32)
    inverse[slots] = place
    return MaskedRows(permutation.reshape(num_experts, max_m), inverse.reshape(ids.shape), native.counts)
