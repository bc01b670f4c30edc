"""A real device behind the port `launches.Device`: cuda-core loads, the driver launches."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np

from metaqore_kernels.cuda import built
from metaqore_kernels.cuda.driver import CudaUnavailableError, require_driver, require_same_process
from metaqore_kernels.cuda.launches import SIZES, Kind, Launch, View

KINDS: dict[str, Kind] = {
    "float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "uint16": "bf16", "int8": "int8", "int32": "int32",
    "int64": "int64", "bool": "uint8", "uint8": "uint8", "uint32": "uint32",
}  # fmt: skip
TYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "uint8": "uint8"}
Workspaces = dict[tuple[int, int], list[Any]]  # by device and stream


class CudaDevice:
    """One device and one stream of it.

    Arrays of torch and CuPy are made by their own allocators, so that they are ordered by stream and may be made while
    a graph is captured. Of other libraries the results are cuda-core's memory, which speaks DLPack; their workspaces
    are kept for ever, since a captured graph may hold their address, and must have grown before a capture begins.
    """

    workspaces: ClassVar[Workspaces] = {}

    def __init__(self, like: Any, stream: Any = None) -> None:
        require_driver()
        require_same_process()
        self._library = library_of(like)
        self.index = int(like.__dlpack_device__()[1])
        self._facts = facts_of(self.index)
        self._stream = self._library.stream_handle(self.index) if stream is None else stream_handle(stream)
        self._own_stream = stream is None
        self.multiprocessors = self._facts.multiprocessors

    def view(self, array: Any) -> View:
        """See Device."""
        return self._library.view(array, self.index, self._stream)

    def contiguous(self, array: Any) -> Any:
        """See Device."""
        with self._library.on_stream(self._stream, own=self._own_stream):
            return self._library.contiguous(array)

    def empty(self, shape: tuple[int, ...], kind: Kind) -> Any:
        """See Device."""
        with self._library.on_stream(self._stream, own=self._own_stream), self._facts.current():
            return self._library.empty(shape, kind, self.index, self._stream)

    def workspace(self, size_bytes: int) -> int:
        """See Device."""
        if self._library.makes_workspaces:
            scratch = self.empty((max(size_bytes, 16),), "uint8")
            self._kept = scratch  # until the launches that use it are in the stream
            return self.view(scratch).pointer
        kept = self.workspaces.setdefault((self.index, self._stream), [])
        if not kept or kept[-1].size < size_bytes:
            with self._facts.current():
                kept.append(ForeignArrays().buffer(max(2 * size_bytes, 1 << 20), self.index, self._stream))
        return int(kept[-1].handle)

    def counter(self) -> int:
        """See Device."""
        word = self.empty((4,), "int32")
        self._counter = word
        pointer = self.view(word).pointer
        driver = bindings()
        with self._facts.current():
            check(driver.cuMemsetD32Async(pointer, 0, 4, self._stream))
        return pointer

    def launch(self, launches: Sequence[Launch]) -> None:
        """See Device."""
        driver = bindings()
        with self._facts.current():
            for launch in launches:
                function = load(launch.kernel, self.index, self._facts.target)
                parameters = (ctypes.c_void_p * 1)(ctypes.addressof(launch.arguments))
                shape = (*launch.grid, 1, launch.threads, 1, 1, launch.shared_bytes, self._stream)
                if launch.together:
                    check(driver.cuLaunchCooperativeKernel(function, *shape, ctypes.addressof(parameters)))
                else:
                    check(driver.cuLaunchKernel(function, *shape, ctypes.addressof(parameters), 0))


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to know of a device; a MIG slice is a device of its own."""

    context: int
    multiprocessors: int
    target: built.Target

    @contextmanager
    def current(self) -> Iterator[None]:
        """Work on this device; whichever the thread worked on before is current again afterwards."""
        driver = bindings()
        before = int(check(driver.cuCtxGetCurrent()))
        if before == self.context:
            yield
            return
        check(driver.cuCtxSetCurrent(driver.CUcontext(self.context)))
        try:
            yield
        finally:
            check(driver.cuCtxSetCurrent(driver.CUcontext(before)))


@cache
def facts_of(index: int) -> Facts:
    """The facts of a device, with its primary context: the one that torch and CuPy use."""
    driver = bindings()
    check(driver.cuInit(0))
    device = check(driver.cuDeviceGet(index))
    names = driver.CUdevice_attribute

    def attribute(name: str) -> int:
        return int(check(driver.cuDeviceGetAttribute(getattr(names, f"CU_DEVICE_ATTRIBUTE_{name}"), device)))

    return Facts(
        int(check(driver.cuDevicePrimaryCtxRetain(device))),
        attribute("MULTIPROCESSOR_COUNT"),
        built.target_for(attribute("COMPUTE_CAPABILITY_MAJOR"), attribute("COMPUTE_CAPABILITY_MINOR")),
    )


def bindings() -> Any:
    """The driver's API."""
    from cuda.bindings import driver

    return driver


def check(result: tuple[Any, ...]) -> Any:
    """The value of a driver's call, or an error by its name."""
    status, *values = result
    if int(status) != 0:
        raise CudaUnavailableError(f"The CUDA driver answered {status.name}.")
    return values[0] if values else None


@cache
def module(source: str, target: built.Target) -> Any:
    """A file's code, kept for ever: a captured graph may hold its kernels."""
    from cuda.core import ObjectCode

    make = ObjectCode.from_ptx if target.suffix == "ptx" else ObjectCode.from_cubin
    return make(built.code(source, target), name=source)


@cache
def kernel_of(name: str, target: built.Target) -> Any:
    """A kernel of a module, for all devices."""
    return module(built.source_of(name, target), target).get_kernel(name)


@cache
def load(name: str, index: int, target: built.Target) -> Any:  # noqa: ARG001 - a function belongs to a device
    """The function of a kernel on the current device. Loading is done here, so that no launch does it in a capture."""
    driver = bindings()
    return check(driver.cuKernelGetFunction(driver.CUkernel(int(kernel_of(name, target).handle))))


def load_all(index: int = 0) -> None:
    """Load every kernel for a device, as a service does before it captures graphs."""
    require_driver()
    require_same_process()
    facts = facts_of(index)
    with facts.current():
        for file in built.manifest()["files"].values():
            if file["target"] == facts.target.name:
                for name in file["kernels"]:
                    load(name, index, facts.target)


def stream_handle(stream: Any) -> int:
    """The address of a stream: anything with `__cuda_stream__`, or torch's older `cuda_stream`."""
    if hasattr(stream, "__cuda_stream__"):
        protocol = stream.__cuda_stream__
        return int((protocol() if callable(protocol) else protocol)[1])
    if hasattr(stream, "cuda_stream"):
        return int(stream.cuda_stream)
    raise TypeError(f"A stream has __cuda_stream__; {type(stream).__name__} has not.")


class TorchArrays:
    """torch's tensors."""

    makes_workspaces = True

    def __init__(self) -> None:
        self.torch = sys.modules["torch"]

    def stream_handle(self, index: int) -> int:
        return int(self.torch.cuda.current_stream(index).cuda_stream)

    def on_stream(self, stream: int, *, own: bool) -> AbstractContextManager[Any]:
        return nullcontext() if own else self.torch.cuda.stream(self.torch.cuda.ExternalStream(stream))

    def view(self, array: Any, index: int, stream: int) -> View:
        if not isinstance(array, self.torch.Tensor):
            return ForeignArrays().view(array, index, stream)
        kind = KINDS[str(array.dtype).removeprefix("torch.")]
        return View(int(array.data_ptr()), tuple(array.shape), tuple(array.stride()), kind, array)

    def contiguous(self, array: Any) -> Any:
        return array.contiguous()

    def empty(self, shape: tuple[int, ...], kind: Kind, index: int, stream: int) -> Any:  # noqa: ARG002
        return self.torch.empty(shape, dtype=getattr(self.torch, TYPES.get(kind, kind)), device=f"cuda:{index}")


class CupyArrays:
    """CuPy's arrays; bf16, which it lacks, is uint16 as in NumPy."""

    makes_workspaces = True

    def __init__(self) -> None:
        self.cupy = sys.modules["cupy"]

    def stream_handle(self, index: int) -> int:  # noqa: ARG002
        return int(self.cupy.cuda.get_current_stream().ptr)

    def on_stream(self, stream: int, *, own: bool) -> AbstractContextManager[Any]:
        return nullcontext() if own else self.cupy.cuda.ExternalStream(stream)

    def view(self, array: Any, index: int, stream: int) -> View:
        return ForeignArrays().view(array, index, stream)

    def contiguous(self, array: Any) -> Any:
        return self.cupy.ascontiguousarray(array)

    def empty(self, shape: tuple[int, ...], kind: Kind, index: int, stream: int) -> Any:  # noqa: ARG002
        name = "uint16" if kind == "bf16" else TYPES.get(kind, kind)
        with self.cupy.cuda.Device(index):
            return self.cupy.empty(shape, dtype=name)


class ForeignArrays:
    """Whatever else speaks DLPack; results are cuda-core's memory."""

    makes_workspaces = False

    def stream_handle(self, index: int) -> int:  # noqa: ARG002
        return 0  # the default stream, which waits for the others

    def on_stream(self, stream: int, *, own: bool) -> AbstractContextManager[Any]:  # noqa: ARG002
        return nullcontext()

    def view(self, array: Any, index: int, stream: int) -> View:
        from cuda.core.utils import StridedMemoryView

        seen = StridedMemoryView.from_any_interface(array, stream_ptr=stream)
        if seen.device_id != index:
            raise ValueError(f"An array is on device {seen.device_id}, the others on {index}; move them to one device.")
        strides = seen.strides or contiguous_strides(seen.shape)
        return View(int(seen.ptr), tuple(seen.shape), tuple(strides), KINDS[np.dtype(seen.dtype).name], seen)

    def contiguous(self, array: Any) -> Any:
        raise ValueError(f"{type(array).__name__} must be contiguous on a GPU: copy it first.")

    def empty(self, shape: tuple[int, ...], kind: Kind, index: int, stream: int) -> Any:
        from cuda.core.utils import StridedMemoryView

        name = "uint16" if kind == "bf16" else TYPES.get(kind, kind)
        buffer = self.buffer(int(np.prod(shape)) * SIZES[kind], index, stream)
        return StridedMemoryView.from_buffer(buffer, shape, dtype=np.dtype(name))

    def buffer(self, size_bytes: int, index: int, stream: int) -> Any:
        """Memory of the device, ready for what follows on the stream."""
        from cuda.core import Device, Stream

        device = Device(index)
        device.set_current()
        ordered = Stream.from_handle(stream) if stream else device.default_stream
        return device.allocate(max(size_bytes, 16), stream=ordered)


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of an array in C order."""
    strides = [1]
    for n in reversed(shape[1:]):
        strides.append(strides[-1] * n)
    return tuple(reversed(strides)) if shape else ()


def library_of(array: Any) -> TorchArrays | CupyArrays | ForeignArrays:
    """The library of an array, by its module: none is imported for it."""
    match type(array).__module__.partition(".")[0]:
        case "torch":
            return TorchArrays()
        case "cupy":
            return CupyArrays()
        case _:
            return ForeignArrays()
