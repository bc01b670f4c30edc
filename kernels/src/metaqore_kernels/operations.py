"""The operations as they are called: arguments are checked, and arrays go to the path that serves their place."""

from __future__ import annotations

from typing import Any, Literal, Unpack

import numpy as np

from metaqore_kernels.cuda.rows_plan import GatePath
from metaqore_kernels.options import GroupScore, RouteOptions, Scoring
from metaqore_kernels.placement import as_numpy, backend, on_gpu
from metaqore_kernels.presets import Scores
from metaqore_kernels.reference.retrieval import Metric
from metaqore_kernels.results import Array, Found, Permutation, Routed, Selection

IdType = Literal["int32", "int64"]


def route_select(
    logits: Array,
    k: int,
    *,
    scoring: Scoring = "softmax",
    bias: Array | None = None,
    n_group: int | None = None,
    topk_group: int | None = None,
    group_score: GroupScore = "max",
    renormalize: bool = False,
    scale: float = 1.0,
    softmax_after_topk: bool = False,
    mask: Array | None = None,
    expert_map: Array | None = None,
    num_tokens: Array | int | None = None,
    id_type: IdType = "int32",
    out: Selection | None = None,
    stream: Any = None,
) -> Selection:
    """The k best experts of each token and their weights; docs/route_select.md is the contract.

    logits [T, E] fp32, fp16 or bf16 (as uint16 in NumPy); bias fp32 [E]; mask bool [E] or [T, E], true where an expert
    may be chosen; expert_map int [E], -1 for an expert that is elsewhere; num_tokens: how many rows are real.
    """
    options = RouteOptions(scoring, n_group, topk_group, group_score, renormalize, scale, softmax_after_topk)
    check_matrix("logits", logits)
    options.check_shape(logits.shape[1], k)
    check_shape("bias", bias, (logits.shape[1],))
    check_shape("expert_map", expert_map, (logits.shape[1],))
    check_shape("mask", mask, (logits.shape[1],), tuple(logits.shape))
    path = backend(logits, bias, mask, expert_map)
    if on_gpu(logits):
        chosen: Selection = path.route_select(
            logits, k, options, bias=bias, mask=mask, expert_map=expert_map, num_tokens=num_tokens,
            id_type=id_type, out=out, stream=stream,
        )  # fmt: skip
        return chosen
    found = path.route_select(
        as_numpy(logits),
        k,
        options,
        bias=as_numpy(bias),
        mask=as_numpy(mask),
        expert_map=as_numpy(expert_map),
        num_tokens=None if num_tokens is None else int(np.asarray(as_numpy(num_tokens)).reshape(())),
    )
    if out is None:
        return Selection(found.weights, found.ids.astype(id_type))
    np.copyto(as_numpy(out.weights), found.weights)
    np.copyto(as_numpy(out.ids), found.ids, casting="same_kind")
    return out


def route_permute(
    ids: Array, num_experts: int, block: int, capacity: int | None = None, *, stream: Any = None
) -> Permutation:
    """Rows grouped by expert, stable by token, each group padded to whole blocks; docs/route_permute.md."""
    check_matrix("ids", ids)
    if num_experts < 1:
        raise ValueError(f"num_experts is at least 1, not {num_experts}.")
    if block < 1 or (capacity is not None and capacity < 0):
        raise ValueError("block is at least 1, capacity at least 0.")
    path = backend(ids)
    if on_gpu(ids):
        placed: Permutation = path.route_permute(ids, num_experts, block, capacity, stream=stream)
    else:
        placed = path.route_permute(as_numpy(ids), num_experts, block, capacity)
    return placed


def gather_rows(x: Array, permutation: Permutation, *, stream: Any = None) -> Array:
    """Tokens x [T, H] in the rows of their experts [rows, H], padding 0; docs/gather_combine.md."""
    check_matrix("x", x)
    path = backend(x, permutation.permutation)
    if on_gpu(x):
        return path.gather_rows(x, permutation, stream=stream)
    return path.gather_rows(as_numpy(x), Permutation(*map(as_numpy, permutation)))


def combine(y: Array, inverse: Array, weights: Array, *, stream: Any = None) -> Array:
    """Each token's weighted sum [T, H] of its experts' rows y [rows, H], first slot first; docs/gather_combine.md."""
    check_matrix("y", y)
    check_shape("weights", weights, tuple(inverse.shape))
    path = backend(y, inverse, weights)
    if on_gpu(y):
        return path.combine(y, inverse, weights, stream=stream)
    return path.combine(as_numpy(y), as_numpy(inverse), as_numpy(weights))


def balance_update(counts: Array, bias: Array, gamma: float, *, stream: Any = None) -> Array:
    """The bias [E] moved by gamma towards even load: up under the mean count, down over it; docs/balance_update.md."""
    check_shape("bias", bias, tuple(counts.shape))
    path = backend(counts, bias)
    if on_gpu(counts):
        return path.balance_update(counts, bias, gamma, stream=stream)
    return path.balance_update(as_numpy(counts), as_numpy(bias), gamma)


def route(
    x: Array,
    gate: Array,
    k: int,
    block: int,
    *,
    capacity: int | None = None,
    bias: Array | None = None,
    mask: Array | None = None,
    num_tokens: Array | int | None = None,
    gate_path: GatePath = "auto",
    stream: Any = None,
    **options: Unpack[Scores],
) -> Routed:
    """The whole step for x [T, H] and gate [E, H]: logits, selection and permutation; docs/route.md.

    `gate_path` matters on a GPU alone: "exact" sums as the CPU does, "tensor" by tensor cores, "auto" chooses by T.
    A row's result is independent of the batch on a path that is named.
    """
    check_matrix("x", x)
    check_matrix("gate", gate)
    if x.shape[1] != gate.shape[1]:
        raise ValueError(f"x has {x.shape[1]} columns and gate {gate.shape[1]}; both are the hidden size.")
    path = backend(x, gate)
    gpu = {"stream": stream, "path": gate_path} if on_gpu(x) else {}
    logits = path.gate_logits(*((x, gate) if gpu else (as_numpy(x), as_numpy(gate))), **gpu)
    selection = route_select(logits, k, bias=bias, mask=mask, num_tokens=num_tokens, stream=stream, **options)
    return Routed(logits, selection, route_permute(selection.ids, gate.shape[0], block, capacity, stream=stream))


def masked_topk(
    queries: Array,
    vectors: Array,
    k: int,
    metric: Metric = "dot",
    *,
    query_tenants: Array | None = None,
    row_tenants: Array | None = None,
    mask: Array | None = None,
    scales: Array | None = None,
    stream: Any = None,
) -> Found:
    """The k best rows of vectors [N, D] for each of queries [Q, D] among those it may see; docs/masked_topk.md.

    A query sees the rows of its tenant, whose bit in `mask` (words [Q, ceil(N/32)], see `pack_mask`) is set; whoever
    gives neither sees all. `scales` [N] multiply inner products.
    """
    check_matrix("queries", queries)
    check_matrix("vectors", vectors)
    (q, d), n = queries.shape, vectors.shape[0]
    if vectors.shape[1] != d or vectors.dtype != queries.dtype:
        raise ValueError("queries and vectors have the same type and the same number of columns.")
    if (query_tenants is None) != (row_tenants is None):
        raise ValueError("Give query_tenants and row_tenants together: without one of them no row is kept apart.")
    if metric not in {"dot", "l2"}:
        raise ValueError(f"metric is dot or l2, not {metric!r}.")
    if metric == "l2" and scales is not None:
        raise ValueError("scales multiply inner products; with l2, scale the vectors.")
    if k < 1:
        raise ValueError(f"k is at least 1, not {k}.")
    check_shape("query_tenants", query_tenants, (q,))
    check_shape("row_tenants", row_tenants, (n,))
    check_shape("mask", mask, (q, -(-n // 32)))
    check_shape("scales", scales, (n,))
    path = backend(queries, vectors, query_tenants, row_tenants, mask, scales)
    named = {"query_tenants": query_tenants, "row_tenants": row_tenants, "mask": mask, "scales": scales}
    if on_gpu(queries):
        found: Found = path.masked_topk(queries, vectors, k, metric, **named, stream=stream)
    else:
        there = {name: as_numpy(array) for name, array in named.items()}
        found = path.masked_topk(as_numpy(queries), as_numpy(vectors), k, metric, **there)
    return found


def check_matrix(name: str, array: Array) -> None:
    """Refuse what has not two dimensions."""
    if len(array.shape) != 2:  # noqa: PLR2004 - a matrix has
        raise ValueError(f"{name} has two dimensions, not {len(array.shape)}.")


def check_shape(name: str, array: Array | None, *shapes: tuple[int, ...]) -> None:
    """Refuse an array, if one is given, of none of the shapes."""
    if array is not None and tuple(array.shape) not in shapes:
        raise ValueError(f"{name} has shape {' or '.join(map(str, shapes))}, not {tuple(array.shape)}.")
