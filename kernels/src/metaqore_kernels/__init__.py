"""MetaQore's kernels: expert routing and masked retrieval, exact and deterministic, on the CPU and on NVIDIA GPUs."""

from metaqore_kernels.layouts import grouped_rows, masked_rows, moe_align_block_size
from metaqore_kernels.operations import (
    balance_update,
    combine,
    gather_rows,
    masked_topk,
    route,
    route_permute,
    route_select,
)
from metaqore_kernels.presets import PRESETS, preset
from metaqore_kernels.reference.retrieval import pack_mask
from metaqore_kernels.results import Found, Permutation, Routed, Selection

__all__ = [
    "PRESETS",
    "Found",
    "Permutation",
    "Routed",
    "Selection",
    "balance_update",
    "combine",
    "gather_rows",
    "grouped_rows",
    "masked_rows",
    "masked_topk",
    "moe_align_block_size",
    "pack_mask",
    "preset",
    "route",
    "route_permute",
    "route_select",
]
