"""masked_topk: the best rows for each query among those that it may see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metaqore_kernels.checks import check_matrix
from metaqore_kernels.formats import Array, Floats, widen
from metaqore_kernels.options import Metric
from metaqore_kernels.reference import arithmetic
from metaqore_kernels.results import Found
from metaqore_kernels.sizes import ceil_div


def masked_topk(
    queries: Array,
    vectors: Array,
    k: int,
    metric: Metric = "dot",
    *,
    query_tenants: Array | None = None,
    row_tenants: Array | None = None,
    mask: NDArray[np.uint32] | None = None,
    scales: Floats | None = None,
) -> Found:
    """Scores fp32 [Q, k] and ids int64 [Q, k] for queries [Q, D] and vectors [N, D]."""
    permitted = permitted_rows(len(queries), len(vectors), query_tenants, row_tenants, mask)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    ids = np.full((len(queries), k), -1, np.int64)
    for q, query in enumerate(queries):
        rows = np.flatnonzero(permitted[q])
        found = row_scores(query, vectors[rows], metric, None if scales is None else scales[rows])
        rows, found = rows[found > -np.inf], found[found > -np.inf]  # NaN goes too
        order = np.argsort(-found, kind="stable")[:k]
        scores[q, : len(order)], ids[q, : len(order)] = found[order], rows[order]
    return Found(scores, ids)


def row_scores(query: Array, rows: Array, metric: Metric, scales: Floats | None = None) -> Floats:
    """The score of each row [N]: the inner product, or minus the squared distance; larger is better."""
    with np.errstate(all="ignore"):
        if query.dtype == np.int8:
            whole, other = query.astype(np.int64), rows.astype(np.int64)
            exact = (other * whole).sum(-1) if metric == "dot" else ((other - whole) ** 2).sum(-1)
            score = exact.astype(np.float32)
        elif metric == "dot":
            score = arithmetic.dot(widen(query)[None], widen(rows))
        else:
            score = arithmetic.squared_distance(widen(query)[None], widen(rows))
        if metric == "l2":
            score = -score
        result: Floats = (score if scales is None else score * scales) + np.float32(0)
    return result


def permitted_rows(
    queries: int, rows: int, query_tenants: Array | None, row_tenants: Array | None, mask: NDArray[np.uint32] | None
) -> NDArray[np.bool_]:
    """Who may see what [Q, N]: the tenants are the same, and the bit is set."""
    permitted = np.ones((queries, rows), np.bool_)
    if query_tenants is not None and row_tenants is not None:
        permitted &= query_tenants[:, None] == row_tenants[None]
    if mask is not None:
        permitted &= unpack_mask(mask, rows)
    return permitted


def pack_mask(permitted: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Booleans [Q, N] as words [Q, ceil(N/32)]: row n is bit n mod 32 of word n/32."""
    check_matrix("permitted", permitted, "bool")
    padded = np.zeros((len(permitted), ceil_div(permitted.shape[1], 32) * 32), np.bool_)
    padded[:, : permitted.shape[1]] = permitted
    return np.packbits(padded, axis=-1, bitorder="little").view("<u4").astype(np.uint32)


def unpack_mask(words: NDArray[np.uint32], rows: int) -> NDArray[np.bool_]:
    """The booleans [Q, rows] of `pack_mask`."""
    flat = np.ascontiguousarray(words.astype("<u4")).view(np.uint8)
    return np.unpackbits(flat, axis=-1, bitorder="little", count=rows).astype(np.bool_)
