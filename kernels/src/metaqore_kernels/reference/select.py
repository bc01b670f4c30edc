"""route_select: the k best experts of each token, and their weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metaqore_kernels.formats import Array, Floats, widen
from metaqore_kernels.options import RouteOptions
from metaqore_kernels.reference import arithmetic
from metaqore_kernels.results import Selection

Mask = NDArray[np.bool_]
NOTHING = np.float32(-np.inf)


def route_select(
    logits: Array,
    k: int,
    options: RouteOptions,
    *,
    bias: Floats | None = None,
    mask: Mask | None = None,
    expert_map: Array | None = None,
    num_tokens: int | None = None,
) -> Selection:
    """Weights fp32 [T, k] and ids int64 [T, k] for logits [T, E]."""
    with np.errstate(all="ignore"):  # inf and NaN are data here
        x = widen(logits) + np.float32(0)  # -0 becomes +0: they tie
        candidates = candidates_of(x, bias, mask, num_tokens)
        x = np.where(candidates, x, NOTHING)
        scores = scores_of(x, options, biased=bias is not None)
        rank = x if options.ranks_by_logit(biased=bias is not None) else scores
        if bias is not None:
            rank = np.where(candidates, scores + bias + np.float32(0), NOTHING)
        if options.n_group is not None:
            rank = keep_groups(rank, options)
        ids = best(rank, k)
        weights = weights_of(chosen(x, ids), chosen(scores, ids), ids >= 0, options, biased=bias is not None)
    if expert_map is not None:
        ids = np.where(ids >= 0, np.maximum(expert_map[ids], -1), -1)
        weights = np.where(ids >= 0, weights, np.float32(0))  # an expert that is elsewhere still had its share
    return Selection(weights, ids)


def candidates_of(x: Floats, bias: Floats | None, mask: Mask | None, num_tokens: int | None) -> Mask:
    """Who may be chosen [T, E]: neither NaN nor -inf, not masked, and of a real token."""
    allowed: Mask = x > NOTHING  # false for NaN
    if bias is not None:
        allowed &= bias > NOTHING
    if mask is not None:
        allowed &= mask
    if num_tokens is not None:
        allowed &= (np.arange(len(x)) < num_tokens)[:, None]
    return allowed


def scores_of(x: Floats, options: RouteOptions, *, biased: bool) -> Floats:
    """The unbiased score of each expert, -inf where it is no candidate."""
    if options.softmax_of_chosen(biased=biased):
        return x
    absent = x == NOTHING
    if options.scoring == "sigmoid":
        return np.where(absent, NOTHING, arithmetic.sigmoid(x))
    peak = np.max(x, axis=-1, keepdims=True, initial=NOTHING)
    infinite = (peak == np.inf) & ~absent
    if options.scoring == "softmax":
        exps = arithmetic.exp_nonpositive(np.where(absent, NOTHING, x - peak))
    else:
        exps = arithmetic.sqrt_softplus(x)
    # +inf shares the weight equally among the +inf: the limit of a softmax, and all that stays finite of the other
    exps = np.where(infinite, (x == np.inf).astype(np.float32), exps)
    if options.scoring == "softmax":
        return np.where(absent, NOTHING, exps / arithmetic.neighbour_sum(exps)[:, None])
    shares = exps / arithmetic.neighbour_sum(np.where(infinite, exps, np.float32(0)))[:, None]
    return np.where(absent, NOTHING, np.where(infinite, shares, exps))


def keep_groups(rank: Floats, options: RouteOptions) -> Floats:
    """`rank` with -inf outside the best groups; a group without a candidate is never among them."""
    if options.n_group is None or options.topk_group is None:
        return rank
    grouped = rank.reshape(len(rank), options.n_group, -1)
    ordered = np.sort(grouped, axis=-1)[..., ::-1]
    value = ordered[..., 0]
    if options.group_score == "top2_sum" and grouped.shape[-1] > 1:
        value = np.where(ordered[..., 1] == NOTHING, value, value + ordered[..., 1])
    kept = np.zeros((len(rank), options.n_group + 1), np.bool_)
    np.put_along_axis(kept, best_groups(value, ordered[..., 0] > NOTHING, options.topk_group), values=True, axis=-1)
    return np.where(kept[:, :-1, None], grouped, NOTHING).reshape(rank.shape)


def best_groups(value: Floats, real: Mask, count: int) -> NDArray[np.int64]:
    """The `count` best groups by value, then lower index; the index past the last where there are no more."""
    order = np.lexsort((-value, ~real), axis=-1)[:, :count]
    return np.where(np.take_along_axis(real, order, axis=-1), order, value.shape[-1])


def best(rank: Floats, k: int) -> NDArray[np.int64]:
    """The k best of each row by rank, then lower id; -1 where there are no more."""
    order = np.argsort(-rank, axis=-1, kind="stable")[:, :k]
    ids = np.full((len(rank), k), -1, np.int64)
    ids[:, : order.shape[1]] = np.where(np.take_along_axis(rank, order, axis=-1) > NOTHING, order, -1)
    return ids


def chosen(values: Floats, ids: NDArray[np.int64]) -> Floats:
    """`values` of the chosen, -inf where there is none."""
    return np.where(ids >= 0, np.take_along_axis(values, np.maximum(ids, 0), axis=-1), NOTHING)


def weights_of(x: Floats, scores: Floats, real: Mask, options: RouteOptions, *, biased: bool) -> Floats:
    """Weights [T, k] from the chosen logits and their unbiased scores."""
    if options.softmax_of_chosen(biased=biased):
        peak = np.max(x, axis=-1, keepdims=True)
        exps = arithmetic.exp_nonpositive(np.where(real, x - peak, NOTHING))
        exps = np.where(peak == np.inf, (x == np.inf).astype(np.float32), exps)
        weights = exps / arithmetic.neighbour_sum(exps)[:, None]
    else:
        weights = np.where(real, scores, np.float32(0))
        if options.renormalize:
            total = arithmetic.neighbour_sum(weights)[:, None]
            equal = np.float32(1) / np.sum(real, axis=-1, keepdims=True).astype(np.float32)
            weights = np.where(total == 0, equal, weights / total)
    return np.where(real, weights * np.float32(options.scale), np.float32(0))
