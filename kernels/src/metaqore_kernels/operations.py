"""The operations as they are called: arguments are checked, and arrays go to the path that serves their place."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from metaqore_kernels.checks import (
    FLOATS,
    INTEGERS,
    check_array,
    check_choice,
    check_chooser,
    check_layout,
    check_matrix,
    known_count,
    type_name,
)
from metaqore_kernels.options import GatePath, GroupScore, IdType, Metric, RouteOptions, RoutePath, Scoring
from metaqore_kernels.placement import as_given, as_numpy, cpu_backend, gpu_operations, on_gpu
from metaqore_kernels.presets import Scores
from metaqore_kernels.results import Array, Found, Permutation, Routed, Selection
from metaqore_kernels.sizes import ceil_div


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
    may be chosen; expert_map int32 [E], -1 for an expert that is elsewhere; num_tokens: how many rows are real.
    """
    options = RouteOptions(scoring, n_group, topk_group, group_score, renormalize, scale, softmax_after_topk)
    check_matrix("logits", logits, *FLOATS)
    (tokens, experts) = logits.shape
    options.check_shape(experts, k)
    check_chooser(tokens, experts, bias, mask, expert_map)
    check_choice("id_type", id_type, ("int32", "int64"))
    if out is not None:
        check_array("out.weights", out.weights, ("float32",), (tokens, k))
        check_array("out.ids", out.ids, INTEGERS, (tokens, k))
    count = known_count(num_tokens)
    named: dict[str, Any] = {"bias": bias, "mask": mask, "expert_map": expert_map}
    if on_gpu(logits, *named.values(), *(out or ()), count):
        return gpu_operations(logits, stream).route_select(
            logits, k, options, **named, num_tokens=count, id_type=id_type, out=out
        )
    found = cpu_backend().route_select(
        as_numpy(logits), k, options, **{name: as_numpy(array) for name, array in named.items()}, num_tokens=count
    )
    if out is None:
        chosen: Selection = as_given(Selection(found.weights, found.ids.astype(id_type)), logits)
        return chosen
    np.copyto(as_numpy(out.weights), found.weights)
    np.copyto(as_numpy(out.ids), found.ids, casting="same_kind")
    return out


def route_permute(
    ids: Array, num_experts: int, block: int, capacity: int | None = None, *, stream: Any = None
) -> Permutation:
    """Rows grouped by expert, stable by token, each group padded to whole blocks; docs/route_permute.md."""
    check_matrix("ids", ids, *INTEGERS)
    check_layout(num_experts, block, capacity)
    if on_gpu(ids):
        return gpu_operations(ids, stream).route_permute(ids, num_experts, block, capacity)
    placed: Permutation = as_given(cpu_backend().route_permute(as_numpy(ids), num_experts, block, capacity), ids)
    return placed


def gather_rows(x: Array, permutation: Permutation, *, stream: Any = None) -> Array:
    """Tokens x [T, H] in the rows of their experts [rows, H], padding 0; docs/gather_combine.md."""
    check_matrix("x", x, *FLOATS)
    check_array("permutation", permutation.permutation, ("int32",))
    check_matrix("inverse", permutation.inverse, "int32")
    if on_gpu(x, permutation.permutation):
        return gpu_operations(x, stream).gather_rows(x, permutation)
    return as_given(cpu_backend().gather_rows(as_numpy(x), Permutation(*map(as_numpy, permutation))), x)


def combine(y: Array, inverse: Array, weights: Array, *, stream: Any = None) -> Array:
    """Each token's weighted sum [T, H] of its experts' rows y [rows, H], first slot first; docs/gather_combine.md."""
    check_matrix("y", y, *FLOATS)
    check_matrix("inverse", inverse, "int32")
    check_array("weights", weights, ("float32",), tuple(inverse.shape))
    if on_gpu(y, inverse, weights):
        return gpu_operations(y, stream).combine(y, inverse, weights)
    return as_given(cpu_backend().combine(as_numpy(y), as_numpy(inverse), as_numpy(weights)), y)


def balance_update(counts: Array, bias: Array, gamma: float, *, stream: Any = None) -> Array:
    """The bias [E] moved by gamma towards even load: up under the mean count, down over it; docs/balance_update.md."""
    check_array("counts", counts, INTEGERS)
    check_array("bias", bias, ("float32",), tuple(counts.shape))
    if on_gpu(counts, bias):
        return gpu_operations(counts, stream).balance_update(counts, bias, gamma)
    return as_given(cpu_backend().balance_update(as_numpy(counts), as_numpy(bias), gamma), counts)


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
    path: RoutePath = "auto",
    stream: Any = None,
    **options: Unpack[Scores],
) -> Routed:
    """The whole step for x [T, H] and gate [E, H]: logits, selection and permutation; docs/route.md.

    Two choices matter on a GPU alone. `gate_path`: "exact" sums as the CPU does, "tensor" by tensor cores, "auto" goes
    by T; a row's result is independent of the batch on a path that is named. `path`: "composed" launches one part after
    the other, which is what "auto" does, "together" all in one cooperative launch, with the same results.
    """
    check_matrix("x", x, *FLOATS)
    check_matrix("gate", gate, type_name(x))
    if x.shape[1] != gate.shape[1]:
        raise ValueError(f"x has {x.shape[1]} columns and gate {gate.shape[1]}; both are the hidden size.")
    check_choice("gate_path", gate_path, ("auto", "exact", "tensor"))
    check_choice("path", path, ("auto", "composed", "together"))
    checked, experts = RouteOptions(**options), gate.shape[0]
    checked.check_shape(experts, k)  # all of it before the product, which is the work
    check_chooser(x.shape[0], experts, bias, mask, None)
    check_layout(experts, block, capacity)
    count = known_count(num_tokens)
    if on_gpu(x, gate, bias, mask, count) and path == "together":
        return gpu_operations(x, stream).route(
            x, gate, k, checked, block, capacity=capacity, bias=bias, mask=mask, num_tokens=count, path=gate_path
        )
    if on_gpu(x):
        logits = gpu_operations(x, stream).gate_logits(x, gate, path=gate_path)
    else:
        logits = as_given(cpu_backend().gate_logits(as_numpy(x), as_numpy(gate)), x)
    selection = route_select(logits, k, bias=bias, mask=mask, num_tokens=count, stream=stream, **options)
    return Routed(logits, selection, route_permute(selection.ids, experts, block, capacity, stream=stream))


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
    check_matrix("queries", queries, *FLOATS, "int8")
    check_matrix("vectors", vectors, type_name(queries))
    (q, d), n = queries.shape, vectors.shape[0]
    if vectors.shape[1] != d:
        raise ValueError(f"queries have {d} columns and vectors {vectors.shape[1]}; both are the dimension.")
    if (query_tenants is None) != (row_tenants is None):
        raise ValueError("Give query_tenants and row_tenants together: without one of them no row is kept apart.")
    check_choice("metric", metric, ("dot", "l2"))
    if metric == "l2" and scales is not None:
        raise ValueError("scales multiply inner products; with l2, scale the vectors.")
    if k < 1:
        raise ValueError(f"k is at least 1, not {k}.")
    check_array("query_tenants", query_tenants, INTEGERS, (q,))
    check_array("row_tenants", row_tenants, INTEGERS if query_tenants is None else (type_name(query_tenants),), (n,))
    check_array("mask", mask, ("uint32",), (q, ceil_div(n, 32)))
    check_array("scales", scales, ("float32",), (n,))
    named: dict[str, Any] = {"query_tenants": query_tenants, "row_tenants": row_tenants, "mask": mask, "scales": scales}
    if on_gpu(queries, vectors, *named.values()):
        return gpu_operations(queries, stream).masked_topk(queries, vectors, k, metric, **named)
    there = {name: as_numpy(array) for name, array in named.items()}
    answers = cpu_backend().masked_topk(as_numpy(queries), as_numpy(vectors), k, metric, **there)
    found: Found = as_given(answers, queries)
    return found
