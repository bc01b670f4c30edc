"""What every operation refuses, whichever path would serve it: a wrong answer, or memory that is not ours, is worse."""

import numpy as np
import pytest

import metaqore_kernels as mk

F, I = np.float32, np.int32  # noqa: E741 - as NumPy abbreviates them
IDS = np.zeros((4, 2), I)
PLACED = mk.route_permute(IDS, 4, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"logits": np.zeros(8, F)}, ValueError, "two dimensions"),
        ({"logits": [[0.0]]}, TypeError, "an array, not a list"),
        ({"logits": np.zeros((4, 8))}, TypeError, "float64"),
        ({"bias": np.zeros(7, F)}, ValueError, "bias has shape"),
        ({"bias": np.zeros(8)}, TypeError, "bias is float32"),
        ({"mask": np.zeros((3, 8), bool)}, ValueError, "mask has shape"),
        ({"mask": np.full(8, -np.inf, F)}, TypeError, "mask is bool"),  # what attention calls a mask
        ({"expert_map": np.zeros(8, np.int64)}, TypeError, "expert_map is int32"),
        ({"k": 33}, ValueError, "k is 1 to 32"),
        ({"scoring": "tanh"}, ValueError, "scoring"),
        ({"scale": float("nan")}, ValueError, "scale is a finite"),
        ({"num_tokens": 2.5}, TypeError, "integer"),
        ({"id_type": "int16"}, ValueError, "id_type"),
        ({"out": mk.Selection(np.zeros((3, 4, 2), F), IDS)}, ValueError, "out.weights has shape"),
        ({"out": mk.Selection(np.zeros((4, 2), F), np.zeros((4, 2), np.int16))}, TypeError, "out.ids"),
    ],
)
def test_selections(arguments, error, says):
    with pytest.raises(error, match=says):
        mk.route_select(**{"logits": np.zeros((4, 8), F), "k": 2} | arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((IDS[0], 4, 4), ValueError, "two dimensions"),
        ((IDS.astype(F), 4, 4), TypeError, "ids is int32"),
        ((IDS, 0, 4), ValueError, "num_experts"),
        ((IDS, 4, 0), ValueError, "block"),
    ],
)
@pytest.mark.parametrize("layout", [mk.route_permute, mk.grouped_rows, mk.moe_align_block_size])
def test_permutations(layout, arguments, error, says):
    ids, experts, block = arguments
    with pytest.raises(error, match=says):
        layout(ids, num_experts=experts, block=block)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: mk.route_permute(IDS, 4, 4, -1), ValueError, "capacity"),
        (lambda: mk.masked_rows(IDS, 4, -1), ValueError, "max_m"),
        (lambda: mk.masked_rows(IDS, 1024, 2**21), ValueError, r"under 2\*\*31"),
        (lambda: mk.moe_align_block_size(IDS, 4, 4, np.zeros(2, I)), ValueError, "expert_map has shape"),
        (lambda: mk.gather_rows(np.zeros((4, 3)), PLACED), TypeError, "x is float32"),
        (lambda: mk.combine(np.zeros((4, 3), F), IDS, IDS), TypeError, "weights is float32"),
        (lambda: mk.combine(np.zeros((4, 3), F), IDS[0], np.zeros(2, F)), ValueError, "inverse has two"),
        (lambda: mk.combine(np.zeros((4, 3), F), IDS, np.zeros((4, 3), F)), ValueError, "weights has shape"),
        (lambda: mk.balance_update(np.zeros(4, F), np.zeros(4, F), 0.1), TypeError, "counts is int32"),
        (lambda: mk.balance_update(np.zeros(4, I), np.zeros(3, F), 0.1), ValueError, "bias has shape"),
        (lambda: mk.route(np.zeros((4, 8), F), np.zeros((3, 7), F), 2, 4), ValueError, "hidden size"),
        (lambda: mk.route(np.zeros((4, 8), F), np.zeros((3, 8), np.float16), 2, 4), TypeError, "gate is float32"),
        (lambda: mk.route(np.zeros((4, 8), F), np.zeros((3, 8), F), 2, 4, gate_path="fast"), ValueError, "gate_path"),
        (lambda: mk.route(np.zeros((4, 8), F), np.zeros((3, 8), F), 40, 4), ValueError, "k is 1 to 32"),
        (lambda: mk.pack_mask(np.zeros((4, 8))), TypeError, "permitted is bool"),
    ],
)
def test_the_other_operations(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"query_tenants": np.zeros(2, I)}, ValueError, "together"),
        ({"query_tenants": np.zeros(2), "row_tenants": np.zeros(9)}, TypeError, "query_tenants is int32"),
        ({"query_tenants": np.zeros(2, I), "row_tenants": np.zeros(9, np.int64)}, TypeError, "row_tenants is int32"),
        ({"mask": np.zeros((2, 3), np.uint32)}, ValueError, "mask has shape"),
        ({"mask": np.ones((2, 1), bool)}, TypeError, "mask is uint32"),  # one bit a word, were it taken
        ({"metric": "l2", "scales": np.zeros(9, F)}, ValueError, "scales"),
        ({"scales": np.zeros(9)}, TypeError, "scales is float32"),
        ({"metric": "cosine"}, ValueError, "metric"),
        ({"vectors": np.zeros((9, 4), F)}, TypeError, "vectors is float16"),
        ({"vectors": np.zeros((9, 5), np.float16)}, ValueError, "dimension"),
        ({"k": 0}, ValueError, "k is at least 1"),
    ],
)
def test_searches(arguments, error, says):
    with pytest.raises(error, match=says):
        mk.masked_topk(
            **{"queries": np.zeros((2, 4), np.float16), "vectors": np.zeros((9, 4), np.float16), "k": 1} | arguments
        )
