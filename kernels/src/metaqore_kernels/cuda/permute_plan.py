"""How route_permute is launched: in one block, in two launches, or in one whose blocks wait for one another."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_kernels.cuda.launches import Arguments, Device, Launch, View, fields, pointer
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
    """As in permute.cuh."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The rows that slots are placed in."""

    num_experts: int
    block: int
    capacity: int | None = None
    expert_map: View | None = None
    drop_unmapped: bool = False
    fixed_rows: int = 0  # of each expert, if they are the same for all
    padding: int = -1
    past_blocks: int = -1


def shared_bytes(num_experts: int) -> int:
    """The shared memory of a block that places."""
    return (WARPS * num_experts + 3 * num_experts + 1) * 4


def permute_arguments(
    ids: View, layout: Layout, results: PermuteResults, tiles: tuple[int, int], *, workspace: int, counter: int
) -> PermuteArguments:
    """What the permutation's kernels are given; `tiles` are how many, and the slots of each."""
    if layout.num_experts > MAX_EXPERTS:
        raise ValueError(f"The GPU path permutes among at most {MAX_EXPERTS} experts, not {layout.num_experts}.")
    if max(ids.size, results.permutation.size, layout.block) > MOST_ROWS:
        raise ValueError(f"The GPU path places at most {MOST_ROWS} slots and rows: route fewer tokens at a time.")
    return PermuteArguments(
        ids=ids.pointer,
        expert_map=pointer(layout.expert_map),
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
        experts=layout.num_experts,
        block=layout.block,
        capacity=EVERY if layout.capacity is None else min(layout.capacity, EVERY),
        rows=results.permutation.size,
        blocks=0 if results.block_experts is None else results.block_experts.size,
        tiles=tiles[0],
        tile_slots=tiles[1],
        fixed_rows=layout.fixed_rows,
        padding=layout.padding,
        past_blocks=layout.past_blocks,
        wide_ids=ids.kind == "int64",
        drop_unmapped=layout.drop_unmapped,
    )


def plan_permute(
    ids: View, layout: Layout, results: PermuteResults, device: Device, path: PermutePath = "auto"
) -> list[Launch]:
    """One or two launches; the workspace holds the counts of all tiles."""
    tiles = tiles_of(ids.size, path, device.multiprocessors)
    together = path == "together" and tiles[0] > 1
    workspace = device.workspace(tiles[0] * layout.num_experts * 4)
    counter = device.counter() if together else 0
    arguments = permute_arguments(ids, layout, results, tiles, workspace=workspace, counter=counter)
    grid, shared = (tiles[0], 1), shared_bytes(layout.num_experts)
    if tiles[0] == 1:
        return [Launch("permute_small", arguments, grid, THREADS, shared)]
    if together:
        return [Launch("permute_together", arguments, grid, THREADS, shared, together=True)]
    return [Launch(f"permute_{step}", arguments, grid, THREADS, shared) for step in ("count", "place")]
