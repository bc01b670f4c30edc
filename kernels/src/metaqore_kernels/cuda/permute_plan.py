"""How route_permute is launched: in one block, in two launches, or in one whose blocks wait for one another."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_kernels.cuda.launches import Arguments, Launch, View, fields, pointer
from metaqore_kernels.options import MAX_EXPERTS, PermutePath
from metaqore_kernels.sizes import ceil_div

THREADS = 256
WARPS = THREADS // 32
SMALL_SLOTS = 4096  # one block is enough, and a launch is saved
TILE_SLOTS = 2048
MOST_TILES = 128  # every block reads every tile's counts
EVERY = 2**31 - 1
MOST_ROWS = 2**30  # what is past a loop must fit into 32 bits too


class PermuteArguments(Arguments):
    """As in permute.cu."""

    _fields_ = fields("""
        p: ids expert_map permutation inverse counts offsets block_experts row_experts ends rows_in_use
        p: tile_counts barrier
        i: slots experts block capacity rows blocks tiles tile_slots fixed_rows padding past_blocks wide_ids
        i: drop_unmapped
    """)


@dataclass(frozen=True, slots=True, kw_only=True)
class PermuteResults:
    """What is written; each but the permutation may be left out."""

    permutation: View
    inverse: View | None = None
    counts: View | None = None
    offsets: View | None = None
    block_experts: View | None = None
    row_experts: View | None = None
    ends: View | None = None
    rows_in_use: View | None = None


def tiles_of(slots: int, path: PermutePath, multiprocessors: int) -> tuple[int, int]:
    """How many tiles, and how many slots each has: a multiple of 32."""
    if path == "small" or (path == "auto" and slots <= SMALL_SLOTS):
        return 1, max(ceil_div(slots, 32) * 32, 32)
    most = min(MOST_TILES, multiprocessors)  # those of a cooperative launch are all on the device at once
    tile_slots = ceil_div(max(TILE_SLOTS, ceil_div(slots, most)), 32) * 32
    return max(ceil_div(slots, tile_slots), 1), tile_slots


def workspace_bytes(slots: int, num_experts: int, path: PermutePath, multiprocessors: int) -> int:
    """The size of the counts of all tiles."""
    return tiles_of(slots, path, multiprocessors)[0] * num_experts * 4


def plan_permute(
    ids: View,
    num_experts: int,
    block: int,
    results: PermuteResults,
    *,
    workspace: int,
    counter: int,
    multiprocessors: int,
    capacity: int | None = None,
    expert_map: View | None = None,
    drop_unmapped: bool = False,
    fixed_rows: int = 0,
    padding: int = -1,
    past_blocks: int = -1,
    path: PermutePath = "auto",
) -> list[Launch]:
    """One or two launches."""
    if num_experts > MAX_EXPERTS:
        raise ValueError(f"The GPU path permutes among at most {MAX_EXPERTS} experts, not {num_experts}.")
    if max(ids.size, results.permutation.size, block) > MOST_ROWS:
        raise ValueError(f"The GPU path places at most {MOST_ROWS} slots and rows: route fewer tokens at a time.")
    tiles, tile_slots = tiles_of(ids.size, path, multiprocessors)
    arguments = PermuteArguments(
        ids=ids.pointer,
        expert_map=pointer(expert_map),
        permutation=results.permutation.pointer,
        inverse=pointer(results.inverse),
        counts=pointer(results.counts),
        offsets=pointer(results.offsets),
        block_experts=pointer(results.block_experts),
        row_experts=pointer(results.row_experts),
        ends=pointer(results.ends),
        rows_in_use=pointer(results.rows_in_use),
        tile_counts=workspace,
        barrier=counter,
        slots=ids.size,
        experts=num_experts,
        block=block,
        capacity=EVERY if capacity is None else min(capacity, EVERY),
        rows=results.permutation.size,
        blocks=0 if results.block_experts is None else results.block_experts.size,
        tiles=tiles,
        tile_slots=tile_slots,
        fixed_rows=fixed_rows,
        padding=padding,
        past_blocks=past_blocks,
        wide_ids=ids.kind == "int64",
        drop_unmapped=drop_unmapped,
    )
    shared = (WARPS * num_experts + 3 * num_experts + 1) * 4
    if tiles == 1:
        return [Launch("permute_small", arguments, (1, 1), THREADS, shared)]
    if path == "together":
        return [Launch("permute_together", arguments, (tiles, 1), THREADS, shared, together=True)]
    return [Launch(f"permute_{step}", arguments, (tiles, 1), THREADS, shared) for step in ("count", "place")]
