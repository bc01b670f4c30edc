from pathlib import Path

import numpy as np
import pytest

import metaqore_kernels as mk

VECTORS = np.load(Path(__file__).parent / "vectors" / "presets.npz")


@pytest.mark.parametrize("name", mk.PRESETS)
def test_a_preset_routes_as_its_model(name):
    bias = VECTORS.get(f"{name}.bias")
    got = mk.route_select(VECTORS[f"{name}.logits"], bias=bias, **mk.preset(name))
    order = np.argsort(got.ids, axis=-1)
    np.testing.assert_array_equal(np.take_along_axis(got.ids, order, -1), VECTORS[f"{name}.ids"])
    expected = VECTORS[f"{name}.weights"]
    off = np.abs(np.take_along_axis(got.weights, order, -1) - expected) / np.spacing(expected)
    assert off.max() <= 4  # torch's own exp and sum are up to 2 ulp off, and so are ours


def test_a_preset_can_be_changed():
    assert mk.preset("qwen3", k=4) == {"k": 4, "renormalize": True}


def test_an_unknown_preset_names_the_known():
    with pytest.raises(ValueError, match="mixtral"):
        mk.preset("mixtrel")
