"""How masked_topk is launched: a search as stated, or a filter by tensor cores and a refinement."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_kernels.cuda.launches import Arguments, Launch, View, fields, pointer
from metaqore_kernels.options import SearchPath
from metaqore_kernels.sizes import ceil_div

THREADS = 128
WARPS = THREADS // 32
MERGE_THREADS = 256
BLOCKS_PER_MULTIPROCESSOR = 8
SHALLOW, DEEP = 32, 256  # entries that a warp's list holds
QUERIES_TOGETHER = 4
MOST_ROWS = 2**32 - 1
MOST_QUERIES = 2**16 - 1  # of the grid's second dimension
MOST_BLOCKS = 2**31  # of its first
MOST_INT8_COLUMNS = (2**31 - 1) // 255**2  # whose squared distances fit into 32 bits
MANY_QUERIES, MANY_ROWS = 32, 2**16  # from which the tensor cores are worth a sample
ROOM = 4096  # rows kept for a query
MOST_STEP = 256
REFINING_WARPS = 64  # for each query, while they are few
SPAN_ROWS, TILE_ROWS, TILE_QUERIES = 1024, 128, 64  # as in retrieval_tensor.cu
FILTER_SHARED = 3 * (TILE_ROWS + TILE_QUERIES) * 40 * 2 + (TILE_ROWS + TILE_QUERIES) * 4 + 16 + SPAN_ROWS * 2


class SearchArguments(Arguments):
    """As in retrieval.cu."""

    _fields_ = fields("""
        p: queries vectors query_tenants row_tenants mask scales found
        q: stride row_count rows_per_warp step
        i: query_count columns mask_words k lists wide_tenants squared aligned
    """)


class MergeArguments(Arguments):
    """As in retrieval.cu."""

    _fields_ = fields("""
        p: found scores ids
        i: query_count k lists
    """)


class FilterArguments(Arguments):
    """As in retrieval_tensor.cu."""

    _fields_ = (
        ("search", SearchArguments),
        *fields("""
            p: sampled floors counts kept
            i: room
        """),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search as it was asked for, its arrays in place."""

    queries: View
    vectors: View
    scores: View
    ids: View
    squared: bool
    query_tenants: View | None
    row_tenants: View | None
    mask: View | None
    scales: View | None
    multiprocessors: int

    def __post_init__(self) -> None:
        (queries, columns), rows = self.queries.shape, self.vectors.shape[0]
        if self.k > DEEP:
            raise ValueError(f"The GPU path finds at most {DEEP} rows a query, not {self.k}.")
        if rows > MOST_ROWS:
            raise ValueError(f"The GPU path counts rows in 32 bits; {rows} are too many: search in parts.")
        if queries > MOST_QUERIES:
            raise ValueError(f"The GPU path takes at most {MOST_QUERIES} queries at a time, not {queries}.")
        if self.queries.kind == "int8" and columns > MOST_INT8_COLUMNS:
            raise ValueError(f"The GPU path sums int8 in 32 bits; it takes at most {MOST_INT8_COLUMNS} columns of it.")

    @property
    def k(self) -> int:
        return self.scores.shape[1]

    @property
    def deep(self) -> int:
        """How many entries of a list each lane holds."""
        return 1 if self.k <= SHALLOW else DEEP // 32

    def arguments(self, found: int, lists: int, rows_per_warp: int = 32, step: int = 1) -> SearchArguments:
        """What a kernel is given to search every `step`-th row."""
        return SearchArguments(
            queries=self.queries.pointer,
            vectors=self.vectors.pointer,
            query_tenants=pointer(self.query_tenants),
            row_tenants=pointer(self.row_tenants),
            mask=pointer(self.mask),
            scales=pointer(self.scales),
            found=found,
            stride=self.vectors.strides[0],
            row_count=ceil_div(self.vectors.shape[0], step),
            rows_per_warp=rows_per_warp,
            step=step,
            query_count=self.queries.shape[0],
            columns=self.queries.shape[1],
            mask_words=0 if self.mask is None else self.mask.strides[0],
            k=self.k,
            lists=lists,
            wide_tenants=self.row_tenants is not None and self.row_tenants.kind == "int64",
            squared=self.squared,
            aligned=self.vectors.is_aligned(8) and self.queries.is_aligned(8),
        )


def spread(search: Search, step: int = 1) -> tuple[int, int]:
    """How many warps search every `step`-th row for a query, and how many rows each has: a multiple of 32.

    Many queries fill the device by themselves: then each has fewer warps, and fewer lists to keep and merge.
    """
    rows, groups = ceil_div(search.vectors.shape[0], step), ceil_div(search.queries.shape[0], together(search))
    most = max(search.multiprocessors * BLOCKS_PER_MULTIPROCESSOR * WARPS // max(groups, 1), WARPS)
    per_warp = max(ceil_div(ceil_div(rows, most), 32) * 32, 32)
    return ceil_div(max(ceil_div(rows, per_warp), 1), WARPS) * WARPS, per_warp


def together(search: Search) -> int:
    """How many queries share what is read of a vector: deep lists leave no registers for more."""
    return 1 if search.deep > 1 or search.queries.shape[0] == 1 else QUERIES_TOGETHER


def refining_warps(search: Search) -> int:
    """How many warps refine what was kept for a query."""
    most = search.multiprocessors * BLOCKS_PER_MULTIPROCESSOR * WARPS // max(search.queries.shape[0], 1)
    return min(max(most // WARPS * WARPS, WARPS), REFINING_WARPS)


def sample_step(k: int) -> int:
    """Every how many rows are sampled: so that the rows kept, about k times as many, take half the room at most."""
    return max(1, min(MOST_STEP, ROOM // 2 // k))


def filter_blocks(search: Search) -> int:
    """How many blocks filter."""
    return ceil_div(search.vectors.shape[0], SPAN_ROWS) * ceil_div(search.queries.shape[0], TILE_QUERIES)


def by_tensor_cores(search: Search, path: SearchPath) -> bool:
    """Whether the filter serves; raises where it is asked for and cannot."""
    columns = search.queries.shape[1]
    aligned = search.vectors.is_aligned(columns) and search.queries.is_aligned(columns)
    possible = aligned and filter_blocks(search) < MOST_BLOCKS
    if path == "tensor" and not possible:
        raise ValueError("The tensor path takes rows that begin at multiples of 16 bytes.")
    many = search.queries.shape[0] >= MANY_QUERIES and search.vectors.shape[0] >= MANY_ROWS
    return path == "tensor" or (path == "auto" and possible and many)


def sections(search: Search, path: SearchPath) -> dict[str, int]:
    """The sizes in bytes of the parts of the workspace."""
    queries = search.queries.shape[0]
    if not by_tensor_cores(search, path):
        return {"found": queries * spread(search)[0] * search.k * 8}
    sampled = spread(search, sample_step(search.k))[0]
    return {
        "found": queries * max(sampled, refining_warps(search)) * search.k * 8,
        "scores": queries * search.k * 4,
        "ids": queries * search.k * 8,
        "floors": queries * 4,
        "counts": queries * 4,
        "kept": queries * ROOM * 4,
    }


def workspace_bytes(search: Search, path: SearchPath) -> int:
    """The size of the workspace, each part at a multiple of 16 bytes."""
    return sum(ceil_div(size, 16) * 16 for size in sections(search, path).values())


def plan_search(search: Search, workspace: int, path: SearchPath = "auto") -> list[Launch]:
    """Two launches, or six by tensor cores; none without queries."""
    if search.queries.shape[0] == 0:
        return []
    if not by_tensor_cores(search, path):
        return plan_exact(search, workspace, search.scores.pointer, search.ids.pointer)
    places, place = {}, workspace
    for name, size in sections(search, path).items():
        places[name] = place
        place += ceil_div(size, 16) * 16
    return plan_filtered(search, places)


def plan_exact(search: Search, found: int, scores: int, ids: int, step: int = 1) -> list[Launch]:
    """Every `step`-th row, scored as stated."""
    queries = search.queries.shape[0]
    lists, per_warp = spread(search, step)
    kernel = f"search_{search.queries.kind}_{together(search)}x{search.deep}"
    grid = (lists // WARPS, ceil_div(queries, together(search)))
    return [
        Launch(kernel, search.arguments(found, lists, per_warp, step), grid, THREADS),
        plan_merge(search, found, scores, ids, lists),
    ]


def plan_merge(search: Search, found: int, scores: int, ids: int, lists: int) -> Launch:
    """The warps' lists become answers."""
    queries = search.queries.shape[0]
    arguments = MergeArguments(found=found, scores=scores, ids=ids, query_count=queries, k=search.k, lists=lists)
    return Launch(f"merge_{search.deep}", arguments, (queries, 1), MERGE_THREADS, MERGE_THREADS * search.deep * 8)


def plan_filtered(search: Search, places: dict[str, int]) -> list[Launch]:
    """A sample gives floors, the filter keeps what may reach them, the refinement scores that as stated."""
    queries = search.queries.shape[0]
    arguments = FilterArguments(
        search=search.arguments(places["found"], refining_warps(search)),
        sampled=places["scores"],
        floors=places["floors"],
        counts=places["counts"],
        kept=places["kept"],
        room=ROOM,
    )
    blocks = filter_blocks(search)
    kind = search.queries.kind
    return [
        *plan_exact(search, places["found"], places["scores"], places["ids"], sample_step(search.k)),
        Launch("start_filter", arguments, (ceil_div(queries, MERGE_THREADS), 1), MERGE_THREADS),
        *([Launch(f"filter_{kind}", arguments, (blocks, 1), MERGE_THREADS, FILTER_SHARED)] if blocks else []),
        Launch(f"refine_{kind}_{search.deep}", arguments, (refining_warps(search) // WARPS, queries), THREADS),
        plan_merge(search, places["found"], search.scores.pointer, search.ids.pointer, refining_warps(search)),
    ]
