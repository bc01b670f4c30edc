"""Where arrays live, and so which path serves them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from metaqore_kernels.cuda.operations import Operations

# DLPack's device types. Pinned memory is the host's, managed memory is served by the GPU.
CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
ON_HOST = (CPU, 0)


def on_gpu(*arrays: Any) -> bool:
    """Whether the arrays are on a CUDA device; raises unless all are on the CPU, or all on one device.

    None, and a number that stands for an array, are in no place.
    """
    places = {place_of(array) for array in arrays if array is not None and not isinstance(array, int)}
    if len(places) > 1:
        named = " and ".join("the CPU" if place == ON_HOST else f"GPU {place[1]}" for place in sorted(places))
        raise ValueError(f"The arrays are on {named}; move them to one device.")
    return bool(places) and places != {ON_HOST}


def place_of(array: Any) -> tuple[int, int]:
    """(CPU, 0), or (CUDA, the device's index); raises for another maker's device."""
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack_device__"):
        return ON_HOST
    kind, index = map(int, array.__dlpack_device__())
    if kind in {CPU, CUDA_HOST}:
        return ON_HOST
    if kind in {CUDA, CUDA_MANAGED}:
        return CUDA, index
    raise ValueError(f"DLPack's device type {kind} is neither a CPU's nor CUDA's; copy the array to the CPU.")


def gpu_operations(like: Any, stream: Any) -> Operations:
    """The operations on the device of an array."""
    from metaqore_kernels import cuda

    return cuda.on(like, stream)


@cache
def cpu_backend() -> Any:
    """The path of numba where the extra `cpu` is installed, else the oracle."""
    try:
        import numba  # noqa: F401
    except ImportError:
        from metaqore_kernels import reference

        return reference
    from metaqore_kernels import cpu

    return cpu


def as_numpy(array: Any) -> Any:
    """A CPU array as NumPy sees it, without a copy; bf16, which NumPy lacks, as uint16."""
    if array is None or isinstance(array, np.ndarray):
        return array
    if hasattr(array, "detach"):  # torch's: its own way gives memory that can be written, DLPack's may not
        array = array.detach()
        if str(array.dtype) == "torch.bfloat16":
            import torch

            return array.view(torch.int16).numpy().view(np.uint16)
        return array.numpy()
    return np.from_dlpack(array) if hasattr(array, "__dlpack__") else array


def as_given(result: Any, like: Any) -> Any:
    """A CPU's result in the library of an array: torch's, without a copy, or NumPy's, which speaks DLPack."""
    if not hasattr(like, "detach"):
        return result
    if isinstance(result, tuple):
        return type(result)(*(as_given(field, like) for field in result))
    import torch

    found = torch.from_numpy(result)
    return found.view(torch.bfloat16) if found.dtype == torch.uint16 else found
