import numpy as np
import pytest
from cases import same
from hypothesis import given, settings
from hypothesis import strategies as st

import metaqore_kernels as mk
from metaqore_kernels import reference
from metaqore_kernels.formats import narrow, widen


def matrix(rows, columns, dtype, seed):
    values = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    return narrow(values, np.zeros(0, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint16])
def test_the_logits_are_the_product(path, dtype):
    x, gate = matrix(9, 700, dtype, 0), matrix(16, 700, dtype, 1)
    exact = widen(x).astype(np.float64) @ widen(gate).astype(np.float64).T
    np.testing.assert_allclose(path.gate_logits(x, gate), exact, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 5), st.integers(1, 9), st.sampled_from([1, 255, 256, 384, 1000]))
def test_every_path_sums_as_the_oracle(tokens, experts, hidden):
    cpu = pytest.importorskip("metaqore_kernels.cpu", exc_type=ImportError)
    x, gate = matrix(tokens, hidden, np.uint16, tokens), matrix(experts, hidden, np.uint16, experts)
    assert same([cpu.gate_logits(x, gate)], [reference.gate_logits(x, gate)])


def test_a_token_is_routed_alike_in_any_batch():
    x, gate = matrix(33, 384, np.uint16, 0), matrix(64, 384, np.uint16, 1)
    whole = mk.route(x, gate, block=16, **mk.preset("qwen3"))
    alone = mk.route(x[5:6], gate, block=16, **mk.preset("qwen3"))
    assert same(alone.selection, [a[5:6] for a in whole.selection])
    np.testing.assert_array_equal(whole.permutation.counts.sum(), 33 * 8)
