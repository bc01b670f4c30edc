"""The CUDA path on a real device, for tests that speak NumPy."""

import numpy as np
import torch

from metaqore_kernels import cuda
from metaqore_kernels.results import Permutation


def to_gpu(value):
    if isinstance(value, Permutation):
        return Permutation(*map(to_gpu, value))
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype == np.uint16:  # bf16
        return torch.from_numpy(np.ascontiguousarray(value).view(np.int16)).cuda().view(torch.bfloat16)
    if value.dtype == np.uint32:
        return torch.from_numpy(np.ascontiguousarray(value).view(np.int32)).cuda().view(torch.uint32)
    return torch.from_numpy(value.copy()).cuda()


def to_cpu(value):
    if isinstance(value, tuple):
        return type(value)(*map(to_cpu, value))
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).cpu().numpy().view(np.uint16)
    return value.cpu().numpy()


class OnGpu:
    """The same functions as a path's; arrays travel to the device and back."""

    def __getattr__(self, name):
        def call(*arguments, **named):
            if name == "route_select":
                named.setdefault("id_type", "int64")
            path = cuda.on(torch.empty(1, device="cuda"))
            there = [to_gpu(value) for value in arguments]
            return to_cpu(getattr(path, name)(*there, **{key: to_gpu(value) for key, value in named.items()}))

        return call
