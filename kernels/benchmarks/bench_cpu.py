"""The CPU path against NumPy, one core: `make bench-kernels-cpu`. The last line is one JSON object."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

import metaqore_kernels as mk
from metaqore_kernels import cpu, reference
from metaqore_kernels.options import RouteOptions

Floats = NDArray[np.float32]
Work = Callable[[], Any]
ROUNDS = 15


def fastest(*works: Work, seconds: float = 4.0) -> list[float]:
    """The least microseconds of each work; they take turns, so that a busy moment hits all alike."""
    least = [float("inf")] * len(works)
    for work in works:
        work()
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < ROUNDS or time.perf_counter() < end:
        for i, work in enumerate(works):
            start = time.perf_counter()
            work()
            least[i] = min(least[i], (time.perf_counter() - start) * 1e6)
        rounds += 1
    return least


def softmax_first(logits: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
    """A router as models write it: full softmax, stable argsort, renormalize."""
    exps = np.exp(logits - logits.max(-1, keepdims=True))
    scores = exps / exps.sum(-1, keepdims=True)
    ids = np.argsort(-scores, axis=-1, kind="stable")[:, :k]
    weights = np.take_along_axis(scores, ids, -1)
    return weights / weights.sum(-1, keepdims=True), ids


def logits_first(logits: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
    """The fastest that NumPy has: the greatest k times over, then a softmax of those."""
    left, rows = logits.copy(), np.arange(len(logits))
    ids = np.empty((len(logits), k), np.int64)
    best = np.empty((len(logits), k), np.float32)
    for j in range(k):
        ids[:, j] = left.argmax(-1)
        best[:, j] = left[rows, ids[:, j]]
        left[rows, ids[:, j]] = -np.inf
    exps = np.exp(best - best[:, :1])
    return exps / exps.sum(-1, keepdims=True), ids


def partitioned(logits: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
    """Another fast NumPy form, for larger k."""
    ids = np.argpartition(-logits, k - 1, axis=-1)[:, :k]
    ids = np.take_along_axis(ids, np.argsort(-np.take_along_axis(logits, ids, -1), axis=-1, kind="stable"), -1)
    best = np.take_along_axis(logits, ids, -1)
    exps = np.exp(best - best[:, :1])
    return exps / exps.sum(-1, keepdims=True), ids


def main() -> None:
    """Print a table, then JSON."""
    rng = np.random.default_rng(0)
    figures: dict[str, float] = {}
    options = RouteOptions(renormalize=True)
    print(f"{'row':<34}{'ours µs':>10}{'as written':>12}{'fast NumPy':>12}{'oracle':>10}")
    for tokens, experts, k in [(1, 64, 2), (1024, 64, 2), (1024, 256, 8)]:
        x = rng.normal(size=(tokens, experts)).astype(np.float32)
        ours, written, fast, other, oracle = fastest(
            partial(cpu.route_select, x, k, options),
            partial(softmax_first, x, k),
            partial(logits_first, x, k),
            partial(partitioned, x, k),
            partial(reference.route_select, x, k, options),
        )
        name, quick = f"select_{tokens}x{experts}_k{k}", min(fast, other)
        print(f"{name:<34}{ours:>10.1f}{written:>12.1f}{quick:>12.1f}{oracle:>10.1f}")
        figures |= {
            f"{name}_us": ours,
            f"{name}_over_numpy": ours / written,
            f"{name}_over_fastest_numpy": ours / quick,
        }

    x = rng.normal(size=(1, 64)).astype(np.float32)
    called, _ = fastest(partial(mk.route_select, x, 2, renormalize=True), partial(softmax_first, x, 2))
    print(f"{'select_1x64_k2, its checks included':<34}{called:>10.1f}")
    figures["route_select_1x64_k2_us"] = called

    ids = np.argsort(rng.random((8192, 64)), axis=-1)[:, :8].astype(np.int32)
    ours, oracle = fastest(lambda: cpu.route_permute(ids, 64, 16), lambda: reference.route_permute(ids, 64, 16))
    print(f"{'permute_8192x8_e64':<34}{ours:>10.1f}{'':>24}{oracle:>10.1f}")
    figures |= {"permute_8192x8_e64_us": ours, "permute_8192x8_e64_over_numpy": ours / oracle}

    queries, rows = (rng.normal(size=(n, 384)).astype(np.float16) for n in (8, 50_000))
    tenants = np.sort(rng.integers(0, 100, len(rows)))
    for name, own, theirs in [("all", None, None), ("one_percent", np.arange(8), tenants)]:
        ours, matrix = fastest(
            partial(cpu.masked_topk, queries, rows, 10, query_tenants=own, row_tenants=theirs),
            partial(product_and_sort, queries, rows, 10),
        )
        print(f"{'masked_topk_8x50000x384_' + name:<34}{ours:>10.0f}{matrix:>12.0f}")
        figures |= {
            f"masked_topk_8x50000x384_{name}_us": ours,
            f"masked_topk_{name}_over_matrix_product": ours / matrix,
        }
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


def product_and_sort(queries: NDArray[np.float16], rows: NDArray[np.float16], k: int) -> NDArray[np.int64]:
    """What NumPy offers for exact search: one matrix product, one partition."""
    scores = queries.astype(np.float32) @ rows.astype(np.float32).T
    return np.argpartition(-scores, k, axis=-1)[:, :k]


if __name__ == "__main__":
    main()
