"""The CUDA path: the same operations on arrays of a GPU. Importing it touches no driver."""

from __future__ import annotations

from typing import Any

from metaqore_kernels.cuda.operations import Operations
from metaqore_kernels.results import Array


def on(like: Array, stream: Any = None) -> Operations:
    """The operations on the device of an array, on a stream: anything with `__cuda_stream__`, else its library's."""
    from metaqore_kernels.cuda.runtime import CudaDevice

    return Operations(CudaDevice(like, stream))
