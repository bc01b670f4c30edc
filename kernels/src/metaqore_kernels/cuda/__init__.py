"""The CUDA path: the same operations on arrays of a GPU. Importing it touches no driver."""

from __future__ import annotations

from typing import Any

from metaqore_kernels.cuda.operations import Operations
from metaqore_kernels.cuda.rows_plan import GatePath
from metaqore_kernels.results import Array, Found, Permutation, Selection


def on(like: Array, stream: Any = None) -> Operations:
    """The operations on the device of an array, on a stream: anything with `__cuda_stream__`, else its library's."""
    from metaqore_kernels.cuda.runtime import CudaDevice

    return Operations(CudaDevice(like, stream))


def route_select(logits: Array, *arguments: Any, stream: Any = None, **named: Any) -> Selection:
    """See `metaqore_kernels.route_select`."""
    return on(logits, stream).route_select(logits, *arguments, **named)


def route_permute(ids: Array, *arguments: Any, stream: Any = None, **named: Any) -> Permutation:
    """See `metaqore_kernels.route_permute`."""
    return on(ids, stream).route_permute(ids, *arguments, **named)


def gather_rows(x: Array, permutation: Permutation, *, stream: Any = None) -> Array:
    """See `metaqore_kernels.gather_rows`."""
    return on(x, stream).gather_rows(x, permutation)


def combine(y: Array, inverse: Array, weights: Array, *, stream: Any = None) -> Array:
    """See `metaqore_kernels.combine`."""
    return on(y, stream).combine(y, inverse, weights)


def gate_logits(x: Array, gate: Array, *, path: GatePath = "auto", stream: Any = None) -> Array:
    """The logits [T, E]: in the stated order of sums, or by tensor cores."""
    return on(x, stream).gate_logits(x, gate, path=path)


def balance_update(counts: Array, bias: Array, gamma: float, *, stream: Any = None) -> Array:
    """See `metaqore_kernels.balance_update`."""
    return on(counts, stream).balance_update(counts, bias, gamma)


def masked_topk(queries: Array, *arguments: Any, stream: Any = None, **named: Any) -> Found:
    """See `metaqore_kernels.masked_topk`."""
    return on(queries, stream).masked_topk(queries, *arguments, **named)
