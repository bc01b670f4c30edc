"""masked_topk: a matrix product finds the few rows that can win, the stated arithmetic says which do.

The product may sum in any order, so its scores are off by a known bound at most. A row further below the k-th best
than twice that bound cannot be among the k best; the others are scored again, exactly as the oracle does.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from metaqore_kernels.cpu.sums import scores as stated_scores
from metaqore_kernels.formats import Array, Floats, widen
from metaqore_kernels.options import Metric
from metaqore_kernels.reference.retrieval import permitted_rows, row_scores
from metaqore_kernels.results import Found

BLOCK_ROWS: Final = 8192
UNIT: Final = 2.0**-24
LEAST: Final = 2.0**-149


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
    """As `reference.retrieval.masked_topk`, equal to it bit for bit."""
    best = Found(np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), -1, np.int64))
    wide = as_floats(queries)
    for start in range(0, len(vectors), BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, len(vectors)))
        words = None if mask is None else mask[:, start // 32 : -(-rows.stop // 32)]
        tenants = None if row_tenants is None else row_tenants[rows]
        permitted = permitted_rows(len(queries), rows.stop - start, query_tenants, tenants, words)
        seen = np.flatnonzero(permitted.any(axis=0))  # what nobody may see is not even read
        if len(seen):
            search(best, queries, wide, vectors[rows][seen], metric, permitted[:, seen], scales, seen + start)
    return best


def search(
    best: Found,
    queries: Array,
    wide: Floats,
    rows: Array,
    metric: Metric,
    permitted: NDArray[np.bool_],
    scales: Floats | None,
    ids: NDArray[np.int64],
) -> None:
    """Put into `best` what the rows of these ids add to it."""
    floats, factors = as_floats(rows), None if scales is None else scales[ids]
    with np.errstate(all="ignore"):
        rough, slack = rough_scores(wide, floats, metric, factors)
    for q, query in enumerate(queries):
        near = could_win(rough[q], slack[q], permitted[q], best.scores[q], best.ids.shape[1])
        keep = np.flatnonzero(permitted[q] & near)
        if len(keep):
            own = None if factors is None else factors[keep]
            merge(best, q, exact_scores(query, wide[q], rows[keep], floats[keep], metric, own), ids[keep])


def as_floats(array: Array) -> Floats:
    """`array` as fp32, int8 included."""
    return np.ascontiguousarray(array.astype(np.float32) if array.dtype == np.int8 else widen(array))


def rough_scores(
    queries: Floats, rows: Floats, metric: Metric, scales: Floats | None
) -> tuple[Floats, NDArray[np.float64]]:
    """Scores [Q, n] by a matrix product, and how far off each may be; see docs/masked_topk.md for the bound."""
    products = queries @ rows.T
    terms = 8 * (queries.shape[1] + 8) * UNIT
    squares = [np.einsum("ij,ij->i", side, side).astype(np.float64) for side in (queries, rows)]
    # rounded in fp32 they are off by far less than a thousandth, and by what vanished beside the least subnormal
    long, wide = (np.sqrt(square * 1.001 + queries.shape[1] * LEAST) for square in squares)
    if metric == "l2":
        slack = terms * (long[:, None] + wide[None]) ** 2 + np.finfo(np.float32).tiny
        return (2 * products - (squares[0][:, None] + squares[1][None])).astype(np.float32), slack
    slack = terms * long[:, None] * wide[None] + np.finfo(np.float32).tiny
    if scales is None:
        return products, slack
    return products * scales, slack * np.abs(scales) * (1 + terms) + np.finfo(np.float32).tiny


def could_win(
    rough: Floats, slack: NDArray[np.float64], permitted: NDArray[np.bool_], best: Floats, k: int
) -> NDArray[np.bool_]:
    """The rows whose true score may reach the k-th best; whatever is not finite goes to the exact arithmetic."""
    floor = float(best[-1])
    known = permitted & np.isfinite(rough) & np.isfinite(slack)
    with np.errstate(invalid="ignore"):
        certain = np.where(known, rough - slack, -np.inf)
        if len(certain) >= k:
            floor = max(floor, float(np.partition(certain, -k)[-k]))
        return ~(rough + slack < floor)


def exact_scores(
    query: Array, wide: Floats, rows: Array, floats: Floats, metric: Metric, scales: Floats | None
) -> Floats:
    """The oracle's scores of the rows."""
    if query.dtype == np.int8:
        return row_scores(query, rows, metric, scales)
    result = np.empty(len(rows), np.float32)
    stated_scores(wide, floats, metric == "l2", result)
    with np.errstate(all="ignore"):
        return (result if scales is None else result * scales) + np.float32(0)


def merge(best: Found, q: int, scores: Floats, ids: NDArray[np.int64]) -> None:
    """Keep the k best of what was found and what is new; ids only grow, so a stable sort keeps the lower first."""
    real = scores > -np.inf
    scores = np.concatenate([best.scores[q], scores[real]])
    ids = np.concatenate([best.ids[q], ids[real]])
    order = np.argsort(-scores, kind="stable")[: best.ids.shape[1]]
    best.scores[q], best.ids[q] = scores[order], ids[order]
