"""Where arrays live, and so which path serves them."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

CPU, CUDA, CUDA_MANAGED = 1, 2, 13  # DLPack's device types


def on_gpu(*arrays: Any) -> bool:
    """Whether the arrays are on a CUDA device; raises if some are and some are not."""
    kinds = {kind_of(array) for array in arrays if array is not None}
    if len(kinds) > 1:
        raise ValueError("Some arrays are on the CPU and some on a GPU; move them to one device.")
    return kinds == {CUDA}


def kind_of(array: Any) -> int:
    """CPU or CUDA."""
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack_device__"):
        return CPU
    kind = int(array.__dlpack_device__()[0])
    return CUDA if kind == CUDA_MANAGED else CPU if kind == CPU else kind


def backend(*arrays: Any) -> Any:
    """The path that serves these arrays: CUDA where they are there, else numba, else NumPy."""
    if on_gpu(*arrays):
        from metaqore_kernels import cuda

        return cuda
    return cpu_backend()


def cpu_backend() -> Any:
    """The path of numba where the extra `cpu` is installed, else the oracle."""
    if importlib.util.find_spec("numba") is None:
        from metaqore_kernels import reference

        return reference
    from metaqore_kernels import cpu

    return cpu


def as_numpy(array: Any) -> Any:
    """A CPU array as NumPy sees it, without a copy; bf16, which NumPy lacks, as uint16."""
    if array is None or isinstance(array, np.ndarray):
        return array
    if str(getattr(array, "dtype", "")) == "torch.bfloat16":
        import torch

        return array.detach().view(torch.int16).numpy().view(np.uint16)
    if hasattr(array, "detach"):
        array = array.detach()
    return np.from_dlpack(array) if hasattr(array, "__dlpack__") else np.asarray(array)
