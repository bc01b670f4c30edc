"""How large results can get, from shapes alone, so that buffers are made before anything is counted."""

from __future__ import annotations


def ceil_div(n: int, d: int) -> int:
    """The least whole number that is at least n/d."""
    return -(-n // d)


def permutation_rows(slots: int, num_experts: int, block: int, capacity: int | None = None) -> int:
    """An upper bound of padded rows for `slots` slots, a multiple of `block`."""
    if slots >= 2**31:
        raise ValueError(f"{slots} slots do not fit into int32 positions; route fewer tokens at a time.")
    experts = min(slots, num_experts)
    rows = (slots + experts * (block - 1)) // block * block
    if capacity is not None:
        rows = min(rows, num_experts * ceil_div(capacity, block) * block)
    if rows >= 2**31:
        raise ValueError(f"{rows} padded rows do not fit into int32 positions; use a smaller block.")
    return rows


def aligned_slots(slots: int, num_experts: int, block: int, *, pad: bool) -> int:
    """The length of `sorted_token_ids` that vLLM's `moe_align_block_size` allocates."""
    length = slots + num_experts * (block - 1)
    if pad:
        length = ceil_div(length, block) * block
    return min(slots * block, length) if slots < num_experts else length
