"""What exact search is measured against: torch, FAISS's flat search, and fp64 for what is found."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ROWS_AT_A_TIME = 1 << 20


def torch_search(queries: Tensor, rows: Tensor, k: int) -> list[Tensor]:
    """A product and a top-k in parts that fit."""
    parts = [torch.topk(queries @ part.T, k).values for part in rows.split(ROWS_AT_A_TIME)]
    return list(torch.topk(torch.cat(parts, 1), k))


def faiss_found() -> Literal["gpu", "cpu", "none"]:
    """Which FAISS is installed: a wheel of faiss-gpu that sees a device, another wheel, or none."""
    if importlib.util.find_spec("faiss") is None:
        return "none"
    import faiss

    return "gpu" if hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0 else "cpu"


class FaissOnGpu:
    """Flat search over rows where they lie, by inner product: FAISS's `bfKnn`, on torch's stream."""

    def __init__(self) -> None:
        import faiss
        from faiss.contrib import torch_utils

        self._faiss, self._using_stream = faiss, torch_utils.using_stream
        self._resources = faiss.StandardGpuResources()

    def __call__(self, queries: Tensor, rows: Tensor, k: int) -> Any:
        with self._using_stream(self._resources):
            return self._faiss.knn_gpu(
                self._resources, queries, rows, k, metric=self._faiss.METRIC_INNER_PRODUCT, device=rows.device.index
            )


def faiss_on_cpu(
    queries: NDArray[np.float32], rows: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Flat search by inner product, on all cores; FAISS has only fp32 there."""
    import faiss

    scores, ids = faiss.knn(queries, rows, k, metric=faiss.METRIC_INNER_PRODUCT)
    return scores, ids


def recall(queries: Tensor, rows: Tensor, ids: Tensor, permitted: Tensor | None = None) -> float:
    """The share of answers [Q, k] that fp64 has among the k best of the `permitted` [N], to within the stated error.

    An answer that is missing counts against it only where a permitted row was there to be found.
    """
    k, exact = ids.shape[1], queries.double()
    best = torch.full((len(queries), k), -torch.inf, dtype=torch.float64, device=rows.device)
    longest = torch.zeros((), dtype=torch.float64, device=rows.device)
    for start in range(0, len(rows), ROWS_AT_A_TIME):
        part = rows[start : start + ROWS_AT_A_TIME].double()
        longest = torch.maximum(longest, part.norm(dim=1).max())
        scores = exact @ part.T
        if permitted is not None:
            scores[:, ~permitted[start : start + ROWS_AT_A_TIME]] = -torch.inf
        best = torch.topk(torch.cat([best, scores], 1), k).values
    error = (rows.shape[1] / 256 + 10) * 2.0**-24 * exact.norm(dim=1, keepdim=True) * longest
    found = (exact[:, None] * rows[ids.clamp(min=0)].double()).sum(-1)
    forbidden = ids < 0 if permitted is None else (ids < 0) | ~permitted[ids.clamp(min=0)]
    right = (found >= best[:, -1:] - 2 * error) & ~forbidden
    right |= (ids < 0) & (torch.isneginf(best).sum(1, keepdim=True) >= (ids < 0).sum(1, keepdim=True))
    return float(right.double().mean())
