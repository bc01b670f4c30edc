"""route in one launch, run on this CPU: what the composed path answers, bit for bit."""

import numpy as np
import pytest
from cases import same
from emulated import emulated as emulated_with

import metaqore_kernels as mk
from metaqore_kernels import reference
from metaqore_kernels.formats import narrow
from metaqore_kernels.options import RouteOptions

V3 = {"scoring": "sigmoid", "n_group": 4, "topk_group": 2, "group_score": "top2_sum", "renormalize": True, "scale": 2.5}


def operands(tokens, experts, hidden, dtype=np.uint16):
    rng = np.random.default_rng(tokens + experts)
    x, gate = (rng.normal(size=(n, hidden)).astype(np.float32) for n in (tokens, experts))
    gate[1::3] = gate[0]  # logits that tie
    x[2::7] = np.nan
    return narrow(x, np.zeros(0, dtype)), narrow(gate, np.zeros(0, dtype))


def composed(device, x, gate, k, options, block, *, path, capacity=None, **extra):
    logits = device.gate_logits(x, gate, path=path)
    found = device.route_select(logits, k, options, **extra, id_type="int32")
    return [logits, *found, *device.route_permute(found.ids, len(gate), block, capacity)]


def flat(routed):
    return [routed.logits, *routed.selection, *routed.permutation]


@pytest.mark.parametrize("dtype", [np.float16, np.uint16])
@pytest.mark.parametrize("path", ["exact", "tensor"])
@pytest.mark.parametrize(
    ("tokens", "experts", "k", "options", "biased"),
    [
        (1, 64, 2, {"renormalize": True}, False),
        (3, 257 - 1, 8, V3, True),
        (130, 60, 6, {}, False),
        (70, 128, 8, {"scoring": "sqrtsoftplus", "renormalize": True}, True),
        (33, 9, 3, {"softmax_after_topk": True}, False),
        (0, 8, 2, {}, False),
    ],
)
def test_one_launch_answers_as_the_composed_path(emulated, tokens, experts, k, options, biased, path, dtype):
    x, gate = operands(tokens, experts, 72, dtype)
    extra = {
        "bias": np.linspace(-1, 1, experts, dtype=np.float32) if biased else None,
        "num_tokens": max(tokens - 1, 1),
    }
    chosen = RouteOptions(**options)
    got = emulated.route(x, gate, k, chosen, 16, path=path, capacity=40, **extra)
    assert len(emulated.device.launched) == 1
    assert same(flat(got), composed(emulated, x, gate, k, chosen, 16, path=path, capacity=40, **extra))


def test_one_launch_answers_as_the_oracle():
    device = emulated_with(multiprocessors=5)
    x, gate = operands(200, 64, 40)
    for k, options in [(2, RouteOptions(renormalize=True)), (4, RouteOptions(**V3))]:
        for _ in range(2):  # the barrier's counter is not the last launch's
            got = device.route(x, gate, k, options, 8, path="exact")
            logits = reference.gate_logits(x, gate)
            found = reference.route_select(logits, k, options)
            placed = reference.route_permute(found.ids, 64, 8)
            assert same(flat(got), [logits, found.weights, found.ids.astype(np.int32), *placed])


@pytest.mark.parametrize("shape", [(4, 257, 64, np.uint16), (4, 8, 64, np.float32)])
def test_what_one_launch_does_not_serve_is_said(emulated, shape):
    x, gate = operands(*shape)
    with pytest.raises(ValueError, match="composed"):
        emulated.route(x, gate, 2, RouteOptions(), 16)


def test_the_path_is_named_by_whoever_calls():
    x, gate = operands(4, 8, 64)
    assert same(flat(mk.route(x, gate, 2, 16, path="together")), flat(mk.route(x, gate, 2, 16)))
    with pytest.raises(ValueError, match="path is"):
        mk.route(x, gate, 2, 16, path="fused")
