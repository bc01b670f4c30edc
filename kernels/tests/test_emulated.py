"""The CUDA sources, run on this CPU thread by thread, against the oracle: bit for bit, in every variant."""

import itertools

import numpy as np
import pytest
from cases import STYLES, logits, same

import metaqore_kernels as mk
from metaqore_kernels import reference
from metaqore_kernels.formats import narrow, widen
from metaqore_kernels.options import RouteOptions
from metaqore_kernels.reference import layouts

DTYPES = [np.float32, np.float16, np.uint16]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("experts", [1, 60, 64, 128, 160, 256, 257, 512, 1024])
def test_select_by_logit(emulated, experts, dtype):
    choices = [
        {},
        {"renormalize": True},
        {"softmax_after_topk": True, "scale": 0.1},
        {"scoring": "sigmoid", "renormalize": True, "scale": 2.5},
        {"scoring": "sqrtsoftplus"},
        {"scoring": "sqrtsoftplus", "renormalize": True},
    ]
    for style, options, k in zip(STYLES, itertools.cycle(choices), itertools.cycle([1, 2, 8, 32]), strict=False):
        x = logits(style, 9, experts, dtype=dtype)
        chosen = RouteOptions(**options)
        assert same(emulated.route_select(x, k, chosen), reference.route_select(x, k, chosen)), (style, options, k)


@pytest.mark.parametrize("scoring", ["softmax", "sigmoid", "sqrtsoftplus"])
@pytest.mark.parametrize(("experts", "groups", "kept"), [(8, 1, 1), (64, 8, 3), (160, 8, 3), (256, 8, 4), (257, 257, 9),
                                                         (512, 2, 1), (1024, 128, 5)])  # fmt: skip
def test_select_by_score(emulated, experts, groups, kept, scoring):
    rng = np.random.default_rng(experts)
    for style, group_score, biased in zip(
        STYLES, itertools.cycle(["max", "top2_sum"]), itertools.cycle([0, 1, 1]), strict=False
    ):
        x = logits(style, 7, experts)
        bias = (
            np.where(rng.random(experts) < 0.1, -np.inf, rng.normal(0, 0.3, experts)).astype(np.float32)
            if biased
            else None
        )
        mask = rng.random((7, experts)) < 0.8
        options = RouteOptions(scoring, groups, kept, group_score, renormalize=True, scale=2.5)
        got = emulated.route_select(x, 8, options, bias=bias, mask=mask, num_tokens=6)
        assert same(got, reference.route_select(x, 8, options, bias=bias, mask=mask, num_tokens=6)), style


def test_rows_that_are_not_aligned(emulated):
    x = logits("plain", 6, 65)[:, 1:]
    options = RouteOptions(renormalize=True)
    assert same(emulated.route_select(x, 4, options), reference.route_select(x, 4, options))


def test_num_tokens_on_the_device(emulated):
    x = logits("broken", 6, 64)
    got = emulated.route_select(x, 4, RouteOptions(), num_tokens=np.array([2], np.int32))
    assert same(got, reference.route_select(x, 4, RouteOptions(), num_tokens=2))


@pytest.mark.parametrize("path", ["small", "composed", "together"])
@pytest.mark.parametrize("experts", [1, 8, 257])
@pytest.mark.parametrize("capacity", [None, 40])
def test_permute_by_each_path(emulated, experts, capacity, path):
    rng = np.random.default_rng(experts)
    ids = rng.integers(-1, experts + 1, (1800, 4)).astype(np.int32)
    ids[:900, 0] = 0
    got = emulated.route_permute(ids, experts, 16, capacity, path=path)
    assert same(got, reference.route_permute(ids, experts, 16, capacity))
    assert (
        emulated.device.launched
        == {
            "small": ["permute_small"],
            "composed": ["permute_count", "permute_place"],
            "together": ["permute_together"],
        }[path]
    )


def test_the_grid_barrier_serves_launch_after_launch(emulated):
    ids = np.random.default_rng(0).integers(0, 8, (2500, 2)).astype(np.int64)
    for _ in range(3):
        assert same(emulated.route_permute(ids, 8, 4, path="together"), reference.route_permute(ids, 8, 4))


@pytest.mark.parametrize("tokens", [1, 30, 3000])
def test_layouts_of_the_engines(emulated, tokens):
    rng = np.random.default_rng(tokens)
    ids = rng.integers(0, 60, (tokens, 4)).astype(np.int32)
    expert_map = np.where(rng.random(60) < 0.5, -1, np.arange(60)).astype(np.int32)
    for pad, mapped, ignore in itertools.product([False, True], [None, expert_map], [False, True]):
        extra = {"pad_sorted_ids": pad, "ignore_invalid_experts": ignore}
        expected = layouts.moe_align_block_size(ids, 16, 60, mapped, **extra)
        assert same(emulated.moe_align_block_size(ids, 16, 60, mapped, **extra), expected)
    assert same(emulated.grouped_rows(ids, 60, 128), layouts.grouped_rows(ids, 60, 128))
    assert same(emulated.masked_rows(ids, 60, 32), layouts.masked_rows(ids, 60, 32))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hidden", [7, 64, 520])
def test_gather_and_combine(emulated, hidden, dtype):
    rng = np.random.default_rng(hidden)
    x = narrow(rng.normal(size=(40, hidden)).astype(np.float32), np.zeros(0, dtype))
    permutation = reference.route_permute(rng.integers(-1, 8, (40, 3)).astype(np.int32), 8, 16)
    rows = emulated.gather_rows(x, permutation)
    assert same([rows], [reference.gather_rows(x, permutation)])
    weights = rng.random((40, 3)).astype(np.float32)
    assert same(
        [emulated.combine(rows, permutation.inverse, weights)], [reference.combine(rows, permutation.inverse, weights)]
    )


@pytest.mark.parametrize("values", ["normal", "extreme"])
def test_fp16_and_bf16_are_rounded_as_numpy_rounds(emulated, values):
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2**32, (64, 8), dtype=np.uint64).astype(np.uint32)
    y = bits.view(np.float32) if values == "extreme" else rng.normal(0, 1e-5, (64, 8)).astype(np.float32)
    inverse, weights = np.arange(64, dtype=np.int32)[:, None], np.ones((64, 1), np.float32)
    for dtype in (np.float16, np.uint16):
        stored = narrow(y, np.zeros(0, dtype))
        assert same([emulated.combine(stored, inverse, weights)], [reference.combine(stored, inverse, weights)])
        halves = np.full((64, 2), 0.5, np.float32) * np.float32([1, 1 / 3])
        twice = np.repeat(inverse, 2, axis=1)
        assert same([emulated.combine(stored, twice, halves)], [reference.combine(stored, twice, halves)])


def test_balance(emulated):
    counts, bias = np.array([9, 3, 0, 0, 2**31 - 1], np.int32), np.linspace(-1, 1, 5, dtype=np.float32)
    assert same([emulated.balance_update(counts, bias, 0.001)], [reference.balance_update(counts, bias, 0.001)])
    counts = counts.astype(np.int64) * 7
    assert same([emulated.balance_update(counts, bias, 0.001)], [reference.balance_update(counts, bias, 0.001)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("tokens", "hidden"), [(1, 700), (1, 512), (5, 384), (4, 7)])
def test_gate(emulated, tokens, hidden, dtype):
    rng = np.random.default_rng(hidden)
    x, gate = (narrow(rng.normal(size=(n, hidden)).astype(np.float32), np.zeros(0, dtype)) for n in (tokens, 9))
    assert same([emulated.gate_logits(x, gate, path="exact")], [reference.gate_logits(x, gate)])


@pytest.mark.parametrize("dtype", [np.float16, np.uint16])
@pytest.mark.parametrize(("tokens", "experts", "hidden"), [(1, 1, 8), (130, 70, 136), (33, 64, 32), (5, 9, 264)])
def test_gate_by_tensor_cores(emulated, tokens, experts, hidden, dtype):
    rng = np.random.default_rng(hidden)
    x, gate = (narrow(rng.normal(size=(n, hidden)).astype(np.float32), np.zeros(0, dtype)) for n in (tokens, experts))
    got = emulated.gate_logits(x, gate, path="tensor")
    np.testing.assert_allclose(got, widen(x).astype(np.float64) @ widen(gate).astype(np.float64).T, atol=1e-4)
    assert same([emulated.gate_logits(x[-1:], gate, path="tensor")], [got[-1:]])


def test_the_gates_path_is_chosen_by_the_tokens(emulated):
    gate = np.zeros((8, 64), np.float16)
    for tokens in (32, 33):
        emulated.gate_logits(np.zeros((tokens, 64), np.float16), gate)
    emulated.gate_logits(np.zeros((33, 63), np.float16), gate[:, :63])
    assert emulated.device.launched == ["gate_exact_fp16_4", "gate_tensor_fp16", "gate_exact_fp16_4"]
    with pytest.raises(ValueError, match="16 bytes"):
        emulated.gate_logits(np.zeros((33, 63), np.float16), gate[:, :63], path="tensor")


@pytest.mark.parametrize("dtype", [*DTYPES, np.int8])
@pytest.mark.parametrize("metric", ["dot", "l2"])
@pytest.mark.parametrize("k", [1, 10, 40])
def test_search(emulated, dtype, metric, k):
    rng = np.random.default_rng(k)
    if dtype == np.int8:
        queries, rows = (rng.integers(-127, 128, (n, 30)).astype(np.int8) for n in (5, 700))
    else:
        queries, rows = (narrow(rng.normal(size=(n, 264)).astype(np.float32), np.zeros(0, dtype)) for n in (5, 700))
    rows[350:] = rows[:350]  # ties
    extra = {
        "mask": mk.pack_mask(rng.random((5, 700)) < 0.5),
        "query_tenants": np.array([0, 1, 2, 0, 9]),
        "row_tenants": np.sort(rng.integers(0, 3, 700)),
    }
    if metric == "dot":
        extra["scales"] = rng.random(700).astype(np.float32)
    for some in ({}, {"mask": extra["mask"]}, extra):
        assert same(
            emulated.masked_topk(queries, rows, k, metric, **some),
            reference.masked_topk(queries, rows, k, metric, **some),
        )
    assert same(emulated.masked_topk(queries[:1], rows, k, metric), reference.masked_topk(queries[:1], rows, k, metric))


@pytest.mark.parametrize("dtype", [*DTYPES, np.int8])
@pytest.mark.parametrize(("metric", "k"), [("dot", 1), ("l2", 2), ("dot", 40)])
def test_search_by_tensor_cores(emulated, dtype, metric, k):
    rng = np.random.default_rng(k)
    if dtype == np.int8:
        queries, rows = (rng.integers(-128, 128, (n, 80)).astype(np.int8) for n in (66, 600))
    else:
        queries, rows = (narrow(rng.normal(size=(n, 72)).astype(np.float32), np.zeros(0, dtype)) for n in (66, 600))
        rows[7, 3], rows[8, 3] = narrow(np.float32([np.nan, np.inf]), rows)
    rows[300:] = rows[:300]  # ties
    scales = {} if metric == "l2" else {"scales": rng.normal(size=600).astype(np.float32)}
    masked = {
        "mask": mk.pack_mask(rng.random((66, 600)) < 0.5),
        "query_tenants": np.arange(66) % 4,
        "row_tenants": np.sort(rng.integers(0, 3, 600)),
    }
    for some in ({}, scales | masked):
        got = emulated.masked_topk(queries, rows, k, metric, **some, path="tensor")
        assert same(got, reference.masked_topk(queries, rows, k, metric, **some))


def test_rows_beyond_the_filters_room_are_searched_whole(emulated):
    rows = np.ones((4500, 8), np.float16)  # all tie, so none can be left out
    rows[4321] *= 2
    queries = np.float16([[1] * 8, [-1] * 8])
    mask = mk.pack_mask(np.random.default_rng(0).random((2, 4500)) < 0.98)
    got = emulated.masked_topk(queries, rows, 3, mask=mask, path="tensor")
    assert same(got, reference.masked_topk(queries, rows, 3, mask=mask))


@pytest.mark.parametrize("share", [0.9, 0.2, 0.01, 0])
def test_only_the_rows_that_some_query_may_see_are_filtered(emulated, share):
    rng = np.random.default_rng(1)
    queries, rows = (rng.normal(size=(n, 40)).astype(np.float16) for n in (70, 2500))
    theirs = (rng.random(2500) >= share).astype(np.int64)
    extra = {"query_tenants": np.zeros(70, np.int64), "row_tenants": theirs}
    got = emulated.masked_topk(queries, rows, 3, **extra, path="tensor")
    assert same(got, reference.masked_topk(queries, rows, 3, **extra))


def test_the_filter_keeps_little_of_much(emulated):
    rng = np.random.default_rng(0)
    queries, rows = (rng.normal(size=(n, 64)).astype(np.float16) for n in (3, 8000))
    got = emulated.masked_topk(queries, rows, 2, path="tensor")
    assert same(got, reference.masked_topk(queries, rows, 2))
    assert emulated.device.launched[2:5] == ["start_filter", "filter_fp16", "refine_fp16_1"]
