"""The operations as PyTorch custom operators, for torch.compile: import this module to register `torch.ops.metaqore`.

Each has a fake implementation, which gives shapes without computing, and passes `torch.library.opcheck`.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

import metaqore_kernels as mk
from metaqore_kernels.options import GroupScore, Metric, Scoring
from metaqore_kernels.results import Permutation
from metaqore_kernels.sizes import permutation_rows


@torch.library.custom_op("metaqore::route_select", mutates_args=())
def route_select(
    logits: Tensor,
    k: int,
    scoring: str = "softmax",
    bias: Tensor | None = None,
    n_group: int | None = None,
    topk_group: int | None = None,
    group_score: str = "max",
    renormalize: bool = False,
    scale: float = 1.0,
    softmax_after_topk: bool = False,
    mask: Tensor | None = None,
    expert_map: Tensor | None = None,
    num_tokens: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Weights fp32 [T, k] and ids int32 [T, k]."""
    found = mk.route_select(
        logits,
        k,
        scoring=cast("Scoring", scoring),
        bias=bias,
        n_group=n_group,
        topk_group=topk_group,
        group_score=cast("GroupScore", group_score),
        renormalize=renormalize,
        scale=scale,
        softmax_after_topk=softmax_after_topk,
        mask=mask,
        expert_map=expert_map,
        num_tokens=num_tokens,
    )
    return found.weights, found.ids


@route_select.register_fake
def _(logits: Tensor, k: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
    shape = (logits.shape[0], k)
    return logits.new_empty(shape, dtype=torch.float32), logits.new_empty(shape, dtype=torch.int32)


@torch.library.custom_op("metaqore::route_permute", mutates_args=())
def route_permute(
    ids: Tensor, num_experts: int, block: int, capacity: int | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The fields of `Permutation`."""
    permutation, inverse, counts, offsets, block_experts = mk.route_permute(ids, num_experts, block, capacity)
    return permutation, inverse, counts, offsets, block_experts


@route_permute.register_fake
def _(
    ids: Tensor, num_experts: int, block: int, capacity: int | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rows = permutation_rows(ids.shape[0] * ids.shape[1], num_experts, block, capacity)
    sizes = ((rows,), tuple(ids.shape), (num_experts,), (num_experts + 1,), (rows // block,))
    first, second, third, fourth, fifth = (ids.new_empty(size, dtype=torch.int32) for size in sizes)
    return first, second, third, fourth, fifth


@torch.library.custom_op("metaqore::gather_rows", mutates_args=())
def gather_rows(x: Tensor, permutation: Tensor, inverse: Tensor) -> Tensor:
    """The rows of x [rows, H] as the permutation has them."""
    nothing = inverse.new_empty(0)
    found: Tensor = mk.gather_rows(x, Permutation(permutation, inverse, nothing, nothing, nothing))
    return found


@gather_rows.register_fake
def _(x: Tensor, permutation: Tensor, inverse: Tensor) -> Tensor:  # noqa: ARG001
    return x.new_empty((permutation.shape[0], x.shape[1]))


@torch.library.custom_op("metaqore::combine", mutates_args=())
def combine(y: Tensor, inverse: Tensor, weights: Tensor) -> Tensor:
    """Each token's weighted sum [T, H]."""
    found: Tensor = mk.combine(y, inverse, weights)
    return found


@combine.register_fake
def _(y: Tensor, inverse: Tensor, weights: Tensor) -> Tensor:  # noqa: ARG001
    return y.new_empty((inverse.shape[0], y.shape[1]))


@torch.library.custom_op("metaqore::balance_update", mutates_args=())
def balance_update(counts: Tensor, bias: Tensor, gamma: float) -> Tensor:
    """The bias [E], moved."""
    found: Tensor = mk.balance_update(counts, bias, gamma)
    return found


@balance_update.register_fake
def _(counts: Tensor, bias: Tensor, gamma: float) -> Tensor:  # noqa: ARG001
    return torch.empty_like(bias)


@torch.library.custom_op("metaqore::masked_topk", mutates_args=())
def masked_topk(
    queries: Tensor,
    vectors: Tensor,
    k: int,
    metric: str = "dot",
    query_tenants: Tensor | None = None,
    row_tenants: Tensor | None = None,
    mask: Tensor | None = None,
    scales: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Scores fp32 [Q, k] and ids int64 [Q, k]."""
    found = mk.masked_topk(
        queries,
        vectors,
        k,
        cast("Metric", metric),
        query_tenants=query_tenants,
        row_tenants=row_tenants,
        mask=mask,
        scales=scales,
    )
    return found.scores, found.ids


@masked_topk.register_fake
def _(queries: Tensor, vectors: Tensor, k: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    shape = (queries.shape[0], k)
    return queries.new_empty(shape, dtype=torch.float32), queries.new_empty(shape, dtype=torch.int64)
