import sys

import numpy as np
import pytest
from cases import logits

import metaqore_kernels as mk
from metaqore_kernels import placement


def test_ids_come_in_the_type_asked_for():
    x = logits("plain", 4, 8)
    assert mk.route_select(x, 2).ids.dtype == np.int32
    assert mk.route_select(x, 2, id_type="int64").ids.dtype == np.int64


def test_results_go_into_given_arrays():
    x = logits("plain", 4, 8)
    out = mk.Selection(np.empty((4, 2), np.float32), np.empty((4, 2), np.int64))
    assert mk.route_select(x, 2, out=out) is out
    np.testing.assert_array_equal(out.ids, mk.route_select(x, 2).ids)


def test_num_tokens_may_be_an_array_of_one():
    got = mk.route_select(logits("plain", 4, 8), 2, num_tokens=np.array([3], np.int32))
    np.testing.assert_array_equal(got.ids[3], [-1, -1])


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"logits": np.zeros(8, np.float32)}, "two dimensions"),
        ({"bias": np.zeros(7, np.float32)}, "bias has shape"),
        ({"mask": np.zeros((3, 8), bool)}, "mask has shape"),
        ({"k": 33}, "k is 1 to 32"),
        ({"scoring": "tanh"}, "scoring"),
    ],
)
def test_what_is_refused(arguments, what):
    with pytest.raises(ValueError, match=what):
        mk.route_select(**{"logits": np.zeros((4, 8), np.float32), "k": 2} | arguments)


def test_logits_of_another_type_are_refused():
    with pytest.raises(TypeError, match="float64"):
        mk.route_select(np.zeros((4, 8)), 2)


def test_without_numba_numpy_serves(monkeypatch):
    monkeypatch.setattr(placement.importlib.util, "find_spec", lambda _: None)
    assert placement.cpu_backend().__name__ == "metaqore_kernels.reference"


def test_importing_asks_for_nothing_heavy():
    loaded = {name.partition(".")[0] for name in sys.modules if "metaqore" not in name}
    assert "cuda" not in loaded  # the paths of a GPU load with the first array that is on one
