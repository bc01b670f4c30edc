"""Where arrays may lie: on the host in any library, on one GPU, never in two places."""

import numpy as np
import pytest
from cases import logits, same
from places import Foreign, on_gpu

import metaqore_kernels as mk
from metaqore_kernels import placement

X = logits("plain", 4, 8)
PINNED = (placement.CUDA_HOST, 0)


@pytest.mark.parametrize("place", [(placement.CPU, 0), PINNED])
def test_any_library_that_speaks_dlpack_is_served(place):
    bias = np.linspace(-1, 1, 8, dtype=np.float32)
    assert same(mk.route_select(Foreign(X, place), 2, bias=bias), mk.route_select(X, 2, bias=bias))


def test_results_go_into_another_librarys_arrays():
    out = mk.Selection(Foreign(np.empty((4, 2), np.float32)), Foreign(np.empty((4, 2), np.int32)))
    mk.route_select(X, 2, out=out)
    assert same([out.weights.array, out.ids.array], mk.route_select(X, 2))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ((on_gpu(), np.zeros(3)), "on the CPU and GPU 0"),
        ((on_gpu(0), on_gpu(1)), "on GPU 0 and GPU 1"),
        ((on_gpu(), Foreign(X, PINNED)), "on the CPU and GPU 0"),
        ((Foreign(X, (10, 0)),), "device type 10"),
    ],
)
def test_arrays_of_two_places_or_of_another_makers_are_refused(arrays, says):
    with pytest.raises(ValueError, match=says):
        placement.on_gpu(*arrays)


@pytest.mark.parametrize("extra", [{"num_tokens": on_gpu(0, (1,), np.int32)}, {"mask": on_gpu(0, (8,), np.bool_)}])
def test_nothing_of_a_gpu_is_read_for_arrays_of_the_cpu(extra):
    with pytest.raises(ValueError, match="one device"):
        mk.route_select(X, 2, **extra)


def test_a_whole_route_is_refused_before_its_product():
    for extra in ({"num_tokens": on_gpu(0, (1,), np.int32)}, {"bias": on_gpu(0, (8,))}):
        with pytest.raises(ValueError, match="one device"):
            mk.route(X, np.zeros((8, 8), np.float32), 2, 4, **extra)


def test_arrays_that_cannot_be_written_are_read():
    still = np.broadcast_to(X[0], (4, 8))
    assert same(mk.route_select(still, 2), mk.route_select(still.copy(), 2))
