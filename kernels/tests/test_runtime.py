"""The way from an array to the driver, with a driver that runs the emulator: what is launched is what was planned."""

import ctypes
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from cases import logits, same
from emulated import EmulatedDevice, kernel

from metaqore_kernels import cuda, reference
from metaqore_kernels.cuda import built, runtime
from metaqore_kernels.options import RouteOptions


class Status(int):
    name = "CUDA_ERROR_LAUNCH_FAILED"


class FakeDriver:
    """As much of the driver's API as the runtime calls; the current context is remembered, kernels are emulated."""

    def __init__(self):
        self.context, self.contexts, self.launches, self.status = 3, [], [], Status(0)

    CUcontext = CUkernel = int

    def cuCtxGetCurrent(self):  # noqa: N802
        return Status(0), self.context

    def cuCtxSetCurrent(self, context):  # noqa: N802
        self.context = context
        self.contexts.append(context)
        return (Status(0),)

    def cuMemsetD32Async(self, pointer, value, count, _stream):  # noqa: N802
        ctypes.memset(pointer, value, 4 * count)
        return (Status(0),)

    def cuLaunchKernel(self, name, x, y, z, threads, *rest, together=0):  # noqa: N802
        assert (z, rest[0], rest[1], self.context) == (1, 1, 1, 42)
        shared, stream, parameters = rest[2], rest[3], rest[4]
        argument = ctypes.cast(parameters, ctypes.POINTER(ctypes.c_void_p))[0]
        function, _ = kernel(name)
        function(ctypes.c_void_p(argument), (ctypes.c_uint * 2)(x, y), threads, shared, together)
        self.launches.append((name, stream))
        return (self.status,)

    def cuLaunchCooperativeKernel(self, *arguments):  # noqa: N802
        return self.cuLaunchKernel(*arguments, 0, together=1)


class NumpyOnGpu(EmulatedDevice):
    """NumPy's arrays, as if their memory were a device's."""

    makes_workspaces = True

    def stream_handle(self, _index):
        return 77

    def on_stream(self, _stream, *, own):  # noqa: ARG002
        return nullcontext()

    def view(self, array, *_):
        return super().view(array)

    def empty(self, shape, kind, *_):
        return super().empty(shape, kind)


class GpuArray(np.ndarray):
    def __dlpack_device__(self):
        return (2, 0)


@pytest.fixture
def driver(monkeypatch, emulated):  # noqa: ARG001 - asks for g++
    fake = FakeDriver()
    monkeypatch.setattr(runtime, "require_driver", lambda: None)
    monkeypatch.setattr(runtime, "bindings", lambda: fake)
    monkeypatch.setattr(runtime, "library_of", lambda _: NumpyOnGpu())
    monkeypatch.setattr(runtime, "facts_of", lambda _: runtime.Facts(42, 3, built.CUBINS[1]))
    monkeypatch.setattr(runtime, "load", lambda name, *_: name)
    return fake


def test_an_operation_runs_on_the_arrays_device_and_leaves_the_threads_own_current(driver):
    x = logits("broken", 9, 64).view(GpuArray)
    options = RouteOptions(renormalize=True)
    assert same(cuda.on(x).route_select(x, 4, options), reference.route_select(np.asarray(x), 4, options))
    assert driver.launches == [("select_by_logit_fp32_8x8", 77)]
    assert driver.context == 3


def test_a_given_stream_is_launched_on(driver):
    stream = SimpleNamespace(__cuda_stream__=lambda: (0, 99))
    x = logits("plain", 9, 64).view(GpuArray)
    cuda.on(x, stream).route_select(x, 4, RouteOptions())
    assert driver.launches == [("select_by_logit_fp32_8x8", 99)]
    with pytest.raises(TypeError, match="__cuda_stream__"):
        runtime.stream_handle("a stream")


def test_a_cooperative_launch_gets_a_counter_of_its_own(driver):
    ids = np.random.default_rng(0).integers(0, 8, (3000, 2)).astype(np.int32).view(GpuArray)
    got = cuda.on(ids).route_permute(ids, 8, 16, path="together")
    assert same(got, reference.route_permute(np.asarray(ids), 8, 16))
    assert driver.launches == [("permute_together", 77)]


def test_one_launch_routes_twice_in_a_row(driver):
    x, gate = (logits("plain", n, 64, dtype=np.float16).view(GpuArray) for n in (40, 16))
    options = RouteOptions(renormalize=True)
    for _ in range(2):
        got = cuda.on(x).route(x, gate, 2, options, 8, path="exact")
        expected = reference.route_select(reference.gate_logits(np.asarray(x), np.asarray(gate)), 2, options)
        assert same([got.selection.weights], [expected.weights])
        np.testing.assert_array_equal(got.selection.ids, expected.ids)
        assert same(got.permutation, reference.route_permute(expected.ids, 16, 8))
    assert driver.launches == [("route_by_logit_fp16_8x8", 77)] * 2


def test_a_refused_launch_is_said_by_name(driver):
    driver.status, x = Status(719), logits("plain", 1, 8).view(GpuArray)
    with pytest.raises(cuda.runtime.CudaUnavailableError, match="CUDA_ERROR_LAUNCH_FAILED"):
        cuda.on(x).route_select(x, 4, RouteOptions())
