"""route_select, a row at a time: a sorted list of k is kept while the row is read once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metaqore_kernels.cpu.arithmetic import ONE, ZERO, exp_nonpositive, neighbour_sum, sigmoid, sqrt_softplus
from metaqore_kernels.cpu.compiler import compiled
from metaqore_kernels.formats import Array, Floats, widen
from metaqore_kernels.options import MAX_CHOSEN, MAX_EXPERTS, RouteOptions
from metaqore_kernels.results import Selection

NOTHING = np.float32(-np.inf)
INFINITE = np.float32(np.inf)
NO_BIAS = np.zeros(0, np.float32)
SIGN, BELOW_SIGN = np.int32(31), np.int32(0x7FFFFFFF)
KEY_OF_NOTHING = NOTHING.view(np.int32) ^ BELOW_SIGN
BY_LOGIT, SOFTMAX, SIGMOID, SQRTSOFTPLUS = range(4)
SCORINGS = {"softmax": SOFTMAX, "sigmoid": SIGMOID, "sqrtsoftplus": SQRTSOFTPLUS}


def route_select(
    logits: Array,
    k: int,
    options: RouteOptions,
    *,
    bias: Floats | None = None,
    mask: NDArray[np.bool_] | None = None,
    expert_map: Array | None = None,
    num_tokens: int | None = None,
) -> Selection:
    """As `reference.select.route_select`, equal to it bit for bit."""
    x = np.ascontiguousarray(widen(logits) if mask is None else np.where(mask, widen(logits), NOTHING))
    weights = np.empty((len(x), k), np.float32)
    ids = np.empty((len(x), k), np.int64)
    biased = bias is not None
    real = len(x) if num_tokens is None else min(max(num_tokens, 0), len(x))
    if options.ranks_by_logit(biased=biased):
        rank_by_logit(x[:real], weights, ids)
    else:
        scoring = BY_LOGIT if options.softmax_of_chosen(biased=biased) else SCORINGS[options.scoring]
        groups, kept = options.n_group or 1, options.topk_group or 1
        rank_by_score(
            x[:real],
            NO_BIAS if bias is None else np.ascontiguousarray(bias, np.float32),
            scoring,
            groups,
            kept,
            options.group_score == "top2_sum",
            weights,
            ids,
        )
    if options.softmax_of_chosen(biased=biased):
        share_by_softmax(weights[:real], ids, np.float32(options.scale))
    else:
        if options.ranks_by_logit(biased=biased):
            score_chosen(x[:real], SCORINGS[options.scoring], weights, ids)
        finish(weights[:real], ids, options.renormalize, np.float32(options.scale))
    weights[real:], ids[real:] = 0, -1
    if expert_map is not None:
        ids = np.where(ids >= 0, np.maximum(expert_map[ids], -1), -1)
        weights = np.where(ids >= 0, weights, ZERO)
    return Selection(weights, ids)


@compiled
def insert(rank: np.float32, expert: int, ranks: np.ndarray, ids: np.ndarray, k: int) -> None:
    """Put an expert into a list sorted by rank, behind its equals; the last one falls out."""
    j = k - 1
    while j > 0 and rank > ranks[j - 1]:
        ranks[j] = ranks[j - 1]
        ids[j] = ids[j - 1]
        j -= 1
    ranks[j] = rank
    ids[j] = expert


@compiled
def rank_by_logit(x: np.ndarray, best: np.ndarray, ids: np.ndarray) -> None:
    """The k best logits of each row, -inf where there are no more, and whose they are.

    A row becomes int32 keys of the same order, whose greatest is found k times: such loops run a vector at a time.
    """
    k, experts = best.shape[1], x.shape[1]
    keys = np.empty(experts, np.int32)
    floats = keys.view(np.float32)
    for row in range(x.shape[0]):
        for e in range(experts):
            value = x[row, e]
            floats[e] = value + ZERO if value > NOTHING else NOTHING
        for e in range(experts):
            keys[e] = keys[e] ^ ((keys[e] >> SIGN) & BELOW_SIGN)
        for j in range(k):
            top = KEY_OF_NOTHING
            for e in range(experts):
                top = max(top, keys[e])
            if top == KEY_OF_NOTHING:
                best[row, j:] = NOTHING
                ids[row, j:] = -1
                break
            expert = np.int32(experts)
            for e in range(experts):
                expert = min(expert, np.int32(e) if keys[e] == top else np.int32(experts))
            keys[expert] = KEY_OF_NOTHING
            best[row, j] = x[row, expert] + ZERO
            ids[row, j] = expert


@compiled
def scores_of(x: np.ndarray, scoring: int, scores: np.ndarray, sums: np.ndarray) -> None:
    """The scores of a row; -inf stays -inf."""
    experts = x.shape[0]
    peak = NOTHING
    for e in range(experts):
        peak = max(peak, x[e])
    shared = peak == INFINITE and scoring != SIGMOID
    for e in range(experts):
        if x[e] == NOTHING:
            scores[e] = NOTHING
        elif scoring == SIGMOID:
            scores[e] = sigmoid(x[e])
        elif shared:
            scores[e] = ONE if x[e] == INFINITE else ZERO
        elif scoring == SOFTMAX:
            scores[e] = exp_nonpositive(x[e] - peak)
        else:
            scores[e] = sqrt_softplus(x[e])
    if shared or scoring == SOFTMAX:
        for e in range(experts):
            sums[e] = max(scores[e], ZERO)
        total = neighbour_sum(sums, experts)
        for e in range(experts):
            if scores[e] != NOTHING:
                scores[e] = scores[e] / total


@compiled
def keep_groups(rank: np.ndarray, groups: int, kept: int, top2: bool) -> None:  # noqa: FBT001
    """Put -inf outside the `kept` best groups of a row."""
    size = rank.shape[0] // groups
    values = np.empty(groups, np.float32)
    order = np.full(kept, -1, np.int64)
    best = np.full(kept, NOTHING, np.float32)
    for g in range(groups):
        first, second = NOTHING, NOTHING
        for e in range(g * size, (g + 1) * size):
            if rank[e] > first:
                first, second = rank[e], first
            elif rank[e] > second:
                second = rank[e]
        values[g] = first + second if top2 and second > NOTHING else first
        if first > NOTHING:
            insert_group(values[g], g, best, order)
    for g in range(groups):
        chosen = False
        for j in range(kept):
            chosen = chosen or order[j] == g
        if not chosen:
            rank[g * size : (g + 1) * size] = NOTHING


@compiled
def insert_group(value: np.float32, group: int, best: np.ndarray, order: np.ndarray) -> None:
    """As `insert`, where a real group may be worth -inf and still goes before none."""
    j = order.shape[0]
    while j > 0 and (order[j - 1] < 0 or value > best[j - 1]):
        j -= 1
    for i in range(order.shape[0] - 1, j, -1):
        best[i] = best[i - 1]
        order[i] = order[i - 1]
    if j < order.shape[0]:
        best[j] = value
        order[j] = group


@compiled
def rank_by_score(
    x: np.ndarray,
    bias: np.ndarray,
    scoring: int,
    groups: int,
    kept: int,
    top2: bool,  # noqa: FBT001
    weights: np.ndarray,
    ids: np.ndarray,
) -> None:
    """The k best of each row by score plus bias, in the best groups; `weights` gets their unbiased scores."""
    experts, k = x.shape[1], weights.shape[1]
    row_x, scores = np.empty(experts, np.float32), np.empty(experts, np.float32)
    rank, sums = np.empty(experts, np.float32), np.empty(MAX_EXPERTS, np.float32)
    best = np.empty(k, np.float32)
    for row in range(x.shape[0]):
        for e in range(experts):
            allowed = x[row, e] > NOTHING and (bias.shape[0] == 0 or bias[e] > NOTHING)
            row_x[e] = x[row, e] + ZERO if allowed else NOTHING
        if scoring == BY_LOGIT:
            scores[:] = row_x
        else:
            scores_of(row_x, scoring, scores, sums)
        for e in range(experts):
            rank[e] = scores[e]
            if bias.shape[0] > 0 and scores[e] > NOTHING:
                rank[e] = (scores[e] + bias[e]) + ZERO
        if groups > 1:
            keep_groups(rank, groups, kept, top2)
        best[:] = NOTHING
        ids[row] = -1
        for e in range(experts):
            if rank[e] > best[k - 1]:
                insert(rank[e], e, best, ids[row], k)
        for j in range(k):
            weights[row, j] = scores[ids[row, j]] if ids[row, j] >= 0 else NOTHING


@compiled
def share_by_softmax(weights: np.ndarray, ids: np.ndarray, scale: np.float32) -> None:
    """Turn the chosen logits of each row into their softmax."""
    k = weights.shape[1]
    sums = np.empty(MAX_CHOSEN, np.float32)
    for row in range(weights.shape[0]):
        peak = NOTHING
        for j in range(k):
            peak = max(peak, weights[row, j])
        for j in range(k):
            value = weights[row, j]
            if peak == INFINITE:
                value = ONE if value == INFINITE else ZERO
            else:
                value = exp_nonpositive(value - peak) if ids[row, j] >= 0 else ZERO
            weights[row, j] = value
            sums[j] = value
        total = neighbour_sum(sums, k)
        for j in range(k):
            weights[row, j] = (weights[row, j] / total) * scale if ids[row, j] >= 0 else ZERO


@compiled
def score_chosen(x: np.ndarray, scoring: int, weights: np.ndarray, ids: np.ndarray) -> None:
    """Turn the chosen logits of each row into their scores; only a softmax looks at the others."""
    k, experts = weights.shape[1], x.shape[1]
    sums = np.empty(MAX_EXPERTS, np.float32)
    for row in range(x.shape[0]):
        peak = weights[row, 0]
        if scoring == SIGMOID or (scoring == SQRTSOFTPLUS and peak < INFINITE):
            for j in range(k):
                if ids[row, j] >= 0:
                    weights[row, j] = sigmoid(weights[row, j]) if scoring == SIGMOID else sqrt_softplus(weights[row, j])
            continue
        for e in range(experts):
            value = x[row, e]
            if not value > NOTHING:
                sums[e] = ZERO
            elif peak == INFINITE:
                sums[e] = ONE if value == INFINITE else ZERO
            else:
                sums[e] = exp_nonpositive((value + ZERO) - peak)
        total = neighbour_sum(sums, experts)
        for j in range(k):
            if peak == INFINITE:
                weights[row, j] = (ONE if weights[row, j] == INFINITE else ZERO) / total
            elif ids[row, j] >= 0:
                weights[row, j] = exp_nonpositive(weights[row, j] - peak) / total


@compiled
def finish(weights: np.ndarray, ids: np.ndarray, renormalize: bool, scale: np.float32) -> None:  # noqa: FBT001
    """Unbiased scores to weights: 0 where there is no expert, renormalized, scaled."""
    k = weights.shape[1]
    sums = np.empty(MAX_CHOSEN, np.float32)
    for row in range(weights.shape[0]):
        real = 0
        for j in range(k):
            if ids[row, j] >= 0:
                real += 1
            else:
                weights[row, j] = ZERO
            sums[j] = weights[row, j]
        if renormalize and real > 0:
            total = neighbour_sum(sums, k)
            for j in range(real):
                weights[row, j] = ONE / np.float32(real) if total == ZERO else weights[row, j] / total
        for j in range(real):
            weights[row, j] = weights[row, j] * scale
