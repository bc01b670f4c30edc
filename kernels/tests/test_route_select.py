import math

import numpy as np
import pytest
from cases import STYLES, logits, same
from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_kernels import reference
from metaqore_kernels.options import RouteOptions

INF, NAN = np.inf, np.nan
F = np.float32


def row(*values):
    return np.array([values], F)


def exact_softmax(values):
    exps = [math.exp(v - max(values)) for v in values]
    return [e / sum(exps) for e in exps]


@pytest.mark.parametrize(
    ("x", "k", "options", "ids", "weights"),
    [
        pytest.param(row(1, 3, 2), 2, {}, [1, 2], exact_softmax([1, 3, 2])[1:], id="best first"),
        pytest.param(row(3, 5, 5, 5), 2, {"renormalize": True}, [1, 2], [0.5, 0.5], id="a tie goes to the lower id"),
        pytest.param(row(NAN, 1, NAN, 0), 3, {"renormalize": True}, [1, 3, -1], [*exact_softmax([1, 0]), 0],
                     id="NaN is never chosen, nor twice"),
        pytest.param(row(NAN, -INF), 2, {"renormalize": True}, [-1, -1], [0, 0], id="no candidate"),
        pytest.param(row(-INF, 2, -INF), 2, {}, [1, -1], [1, 0], id="-inf counts in no sum"),
        pytest.param(row(0, INF, 1, INF), 3, {}, [1, 3, 2], [0.5, 0.5, 0], id="+inf shares the weight"),
        pytest.param(row(0, INF, 1, INF), 1, {}, [1], [0.5], id="also with one that is not chosen"),
        pytest.param(row(0, INF, 1, INF), 1, {"renormalize": True}, [1], [1], id="renormalized among the chosen"),
        pytest.param(row(0, INF, 1, INF), 3, {"scoring": "sqrtsoftplus"}, [1, 3, 2], [0.5, 0.5, 0],
                     id="+inf shares the weight of sqrtsoftplus"),
        pytest.param(row(-INF, INF, 0), 2, {"scoring": "sigmoid"}, [1, 2], [1, 0.5], id="sigmoid of +inf is 1"),
        pytest.param(row(-200, -300), 2, {"scoring": "sigmoid", "renormalize": True}, [0, 1], [0.5, 0.5],
                     id="sigmoid underflow shares equally"),
        pytest.param(row(-0.0, 0.0, -0.0), 2, {"renormalize": True}, [0, 1], [0.5, 0.5], id="the zeros tie"),
        pytest.param(row(20, np.nextafter(F(20), F(21))), 1, {"scoring": "sigmoid"}, [1], [1],
                     id="logits order where scores tie"),
        pytest.param(row(7), 1, {"scale": 2.5}, [0], [2.5], id="one expert"),
        pytest.param(row(7), 3, {}, [0, -1, -1], [1, 0, 0], id="k past the experts"),
        pytest.param(row(1, 3, 2), 2, {"softmax_after_topk": True}, [1, 2], exact_softmax([3, 2]), id="gpt-oss"),
    ],
)  # fmt: skip
def test_what_is_chosen(path, x, k, options, ids, weights):
    got = path.route_select(x, k, RouteOptions(**options))
    np.testing.assert_array_equal(got.ids, [ids])
    np.testing.assert_allclose(got.weights, [weights], rtol=4e-7)


@pytest.mark.parametrize(
    ("x", "bias", "options", "ids"),
    [
        pytest.param(row(0, 0, 0), F([0, 1, 2]), {"scoring": "sigmoid"}, [2, 1], id="the bias ranks"),
        pytest.param(row(5, 5, 5), F([-INF, 0, NAN]), {}, [1, -1], id="a bias of -inf or NaN removes"),
        pytest.param(row(1, 1, 9, 9), F([0, 0, -9, -9]), {"scoring": "sigmoid", "n_group": 2, "topk_group": 1},
                     [0, 1], id="groups by biased score"),
        pytest.param(row(-9, -9, -9, -9), F([-3, -2, -5, -1]), {"scoring": "sigmoid", "n_group": 2, "topk_group": 1},
                     [3, 2], id="other groups are out even where every score is negative"),
        pytest.param(row(3, 0, 2, 2), None, {"n_group": 2, "topk_group": 1, "group_score": "top2_sum",
                                             "scoring": "sqrtsoftplus"}, [2, 3], id="top2_sum"),
        pytest.param(row(3, NAN, -9, -9), None, {"n_group": 2, "topk_group": 1, "group_score": "top2_sum"},
                     [0, -1], id="a lone candidate stands for itself"),
        pytest.param(row(NAN, -INF, 1, NAN), None, {"n_group": 2, "topk_group": 2}, [2, -1], id="an empty group"),
        pytest.param(row(4, 4, 4, 4), None, {"n_group": 2, "topk_group": 1}, [0, 1], id="tied groups, lower first"),
    ],
)  # fmt: skip
def test_bias_and_groups(path, x, bias, options, ids):
    got = path.route_select(x, 2, RouteOptions(**options), bias=bias)
    np.testing.assert_array_equal(got.ids, [ids])


def test_weights_come_from_the_unbiased_score(path):
    x = row(-16, 2, 0)  # the score of the first is 1e-7: score + bias - bias would give 1.2e-7 or 0
    got = path.route_select(x, 1, RouteOptions(scoring="sigmoid"), bias=F([2, 0, 0]))
    np.testing.assert_array_equal(got.ids, [[0]])
    np.testing.assert_allclose(got.weights, 1 / (1 + math.exp(16)), rtol=2e-7)


def test_masked_experts_count_in_no_sum(path):
    x = np.tile(row(9, 1, 0), (2, 1))
    mask = np.array([[False, True, True], [True, True, False]])
    got = path.route_select(x, 2, RouteOptions(), mask=mask)
    np.testing.assert_array_equal(got.ids, [[1, 2], [0, 1]])
    np.testing.assert_allclose(got.weights, [exact_softmax([1, 0]), exact_softmax([9, 1])], rtol=4e-7)
    alone = path.route_select(x, 2, RouteOptions(), mask=mask[0])
    np.testing.assert_array_equal(alone.ids, [[1, 2], [1, 2]])


def test_expert_map_renames_after_the_weights_are_made(path):
    got = path.route_select(row(3, 2, 1), 2, RouteOptions(renormalize=True), expert_map=np.array([-5, 7, 3], np.int32))
    np.testing.assert_array_equal(got.ids, [[-1, 7]])
    np.testing.assert_allclose(got.weights, [[0, exact_softmax([3, 2])[1]]], rtol=4e-7)


@pytest.mark.parametrize("real", [0, 1, 5, 9])
def test_rows_past_num_tokens_are_empty_whatever_they_hold(path, real):
    x = logits("plain", 5, 16)
    x[real:] = NAN
    got = path.route_select(x, 4, RouteOptions(), num_tokens=real)
    assert same([a[:real] for a in got], path.route_select(x[:real], 4, RouteOptions()))
    assert (got.ids[real:] == -1).all()
    assert (got.weights[real:] == 0).all()


def test_an_empty_batch(path):
    got = path.route_select(np.zeros((0, 8), F), 2, RouteOptions())
    assert got.ids.shape == got.weights.shape == (0, 2)


def test_non_contiguous_rows(path):
    x = logits("tied", 40, 64)
    assert same(
        path.route_select(x[::3, ::2], 4, RouteOptions()), path.route_select(x[::3, ::2].copy(), 4, RouteOptions())
    )


@pytest.mark.parametrize("dtype", [np.float16, np.uint16])
def test_16_bit_logits_are_widened(path, dtype):
    from metaqore_kernels.formats import widen

    x = logits("broken", 64, 60, dtype=dtype)
    assert same(path.route_select(x, 6, RouteOptions()), path.route_select(widen(x), 6, RouteOptions()))


def test_a_row_does_not_depend_on_its_neighbours(path):
    x = logits("broken", 50, 160)
    options = RouteOptions(scoring="sigmoid", n_group=8, topk_group=3, renormalize=True)
    bias = np.linspace(-1, 1, 160, dtype=F)
    whole = path.route_select(x, 6, options, bias=bias)
    for t in range(0, 50, 7):
        assert same(path.route_select(x[t : t + 1], 6, options, bias=bias), [a[t : t + 1] for a in whole])


@st.composite
def routings(draw):
    scoring = draw(st.sampled_from(["softmax", "sigmoid", "sqrtsoftplus"]))
    n_group = draw(st.sampled_from([None, 1, 2, 4]))
    experts = draw(st.sampled_from([1, 2, 3, 8, 60, 64, 160, 257, 512, 1024]))
    if n_group is not None:
        experts = -(-experts // n_group) * n_group if experts < 1024 else experts
    options = RouteOptions(
        scoring=scoring,
        n_group=n_group,
        topk_group=None if n_group is None else draw(st.integers(1, n_group)),
        group_score=draw(st.sampled_from(["max", "top2_sum"])),
        renormalize=draw(st.booleans()),
        scale=draw(st.sampled_from([1.0, 2.5, 0.1])),
        softmax_after_topk=scoring == "softmax" and draw(st.booleans()),
    )
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    x = logits(draw(st.sampled_from(STYLES)), draw(st.sampled_from([1, 3, 17])), experts, seed)
    bias = draw(st.sampled_from([None, "small", "broken"]))
    if bias is not None:
        values = rng.normal(0, 0.3, experts).astype(F)
        bias = (
            np.where(rng.random(experts) < 0.2, rng.choice(F([INF, -INF, NAN, 0])), values)
            if bias == "broken"
            else values
        )
    mask = draw(st.sampled_from([None, "row", "all"]))
    if mask is not None:
        mask = rng.random(x.shape if mask == "row" else experts) < 0.7
    return x, draw(st.sampled_from([1, 2, 5, 8, 32])), options, {"bias": bias, "mask": mask}


@settings(max_examples=300, deadline=None)
@given(routings())
def test_the_contract_of_a_selection(routing):
    x, k, options, extra = routing
    got = reference.route_select(x, k, options, **extra)
    mask = np.ones(x.shape, bool) if extra["mask"] is None else np.broadcast_to(extra["mask"], x.shape)
    for t, (ids, weights) in enumerate(zip(got.ids, got.weights, strict=True)):
        real = ids[ids >= 0]
        assert len(set(real)) == len(real)
        assert (ids[len(real) :] == -1).all()
        assert (weights[len(real) :] == 0).all()
        assert mask[t, real].all()
        assert (x[t, real] > -INF).all()
        assert np.isfinite(weights).all()
        assert (weights >= 0).all()
        if len(real) and (options.renormalize or options.softmax_after_topk):
            np.testing.assert_allclose(weights.sum(), options.scale, rtol=2e-6)
        if options.ranks_by_logit(biased=extra["bias"] is not None):
            order = sorted(np.flatnonzero(mask[t] & (x[t] > -INF)), key=lambda e: (-x[t, e], e))
            assert list(real) == order[:k]


@settings(max_examples=300, deadline=None)
@given(routings())
def test_every_path_answers_as_the_oracle_bit_for_bit(routing):
    cpu = pytest.importorskip("metaqore_kernels.cpu", exc_type=ImportError)
    x, k, options, extra = routing
    assert same(cpu.route_select(x, k, options, **extra), reference.route_select(x, k, options, **extra))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"scoring": "relu"}, "scoring"),
        ({"n_group": 4}, "topk_group together"),
        ({"n_group": 4, "topk_group": 5}, "topk_group is 1"),
        ({"group_score": "sum"}, "group_score"),
        ({"scoring": "sigmoid", "softmax_after_topk": True}, "softmax_after_topk"),
    ],
)
def test_options_that_are_refused(options, what):
    with pytest.raises(ValueError, match=what):
        RouteOptions(**options)


@pytest.mark.parametrize(
    ("experts", "k", "options"),
    [(0, 1, {}), (1025, 1, {}), (8, 0, {}), (8, 33, {}), (9, 2, {"n_group": 2, "topk_group": 1})],
)
def test_shapes_that_are_refused(experts, k, options):
    with pytest.raises(ValueError, match=r"."):
        RouteOptions(**options).check_shape(experts, k)
