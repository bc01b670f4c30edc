"""How masked_topk is launched: warps search their rows, then a block a query merges what they found."""

from __future__ import annotations

import ctypes

from metaqore_kernels.cuda.launches import Launch, View, fields, pointer
from metaqore_kernels.sizes import ceil_div

THREADS = 128
WARPS = THREADS // 32
MERGE_THREADS = 256
BLOCKS_PER_MULTIPROCESSOR = 8
SHALLOW, DEEP = 32, 256  # entries that a warp's list holds
QUERIES_TOGETHER = 4  # that share what is read of a vector
MOST_ROWS = 2**32 - 1
MOST_QUERIES = 2**16 - 1  # of the grid's second dimension


class SearchArguments(ctypes.Structure):
    """As in retrieval.cu."""

    _fields_ = fields("""
        p: queries vectors query_tenants row_tenants mask scales found
        q: stride row_count rows_per_warp
        i: query_count columns mask_words k lists wide_tenants squared aligned
    """)


class MergeArguments(ctypes.Structure):
    """As in retrieval.cu."""

    _fields_ = fields("""
        p: found scores ids
        i: query_count k lists
    """)


def spread(rows: int, multiprocessors: int) -> tuple[int, int]:
    """How many warps search, and how many rows each has: a multiple of 32."""
    most = multiprocessors * BLOCKS_PER_MULTIPROCESSOR * WARPS
    per_warp = max(ceil_div(ceil_div(rows, most), 32) * 32, 32)
    return ceil_div(max(ceil_div(rows, per_warp), 1), WARPS) * WARPS, per_warp


def workspace_bytes(queries: int, rows: int, k: int, multiprocessors: int) -> int:
    """The size of all warps' lists."""
    return queries * spread(rows, multiprocessors)[0] * k * 8


def plan_search(
    queries: View,
    vectors: View,
    scores: View,
    ids: View,
    *,
    squared: bool,
    query_tenants: View | None,
    row_tenants: View | None,
    mask: View | None,
    scales: View | None,
    workspace: int,
    multiprocessors: int,
) -> list[Launch]:
    """Two launches, or none without queries."""
    (count, columns), rows, k = queries.shape, vectors.shape[0], scores.shape[1]
    if k > DEEP:
        raise ValueError(f"The GPU path finds at most {DEEP} rows a query, not {k}.")
    if rows > MOST_ROWS:
        raise ValueError(f"The GPU path counts rows in 32 bits; {rows} are too many: search in parts.")
    if count > MOST_QUERIES:
        raise ValueError(f"The GPU path takes at most {MOST_QUERIES} queries at a time, not {count}.")
    lists, per_warp = spread(rows, multiprocessors)
    search = SearchArguments(
        queries=queries.pointer,
        vectors=vectors.pointer,
        query_tenants=pointer(query_tenants),
        row_tenants=pointer(row_tenants),
        mask=pointer(mask),
        scales=pointer(scales),
        found=workspace,
        stride=vectors.strides[0],
        row_count=rows,
        rows_per_warp=per_warp,
        query_count=count,
        columns=columns,
        mask_words=0 if mask is None else mask.strides[0],
        k=k,
        lists=lists,
        wide_tenants=row_tenants is not None and row_tenants.kind == "int64",
        squared=squared,
        aligned=vectors.is_aligned(8) and queries.is_aligned(8),
    )
    merge = MergeArguments(found=workspace, scores=scores.pointer, ids=ids.pointer, query_count=count, k=k, lists=lists)
    deep = 1 if k <= SHALLOW else DEEP // 32
    together = 1 if deep > 1 or count == 1 else QUERIES_TOGETHER
    if count == 0:
        return []
    grid = (lists // WARPS, ceil_div(count, together))
    return [
        Launch(f"search_{queries.kind}_{together}x{deep}", search, grid, THREADS),
        Launch(f"merge_{deep}", merge, (count, 1), MERGE_THREADS, MERGE_THREADS * deep * 8),
    ]
