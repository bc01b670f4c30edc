"""Whether this machine can run the kernels, asked before anything of CUDA is loaded."""

from __future__ import annotations

import ctypes
import os
from functools import cache

MINIMUM_VERSION = 13000  # as cuDriverGetVersion counts: CUDA 13.0, driver R580


class CudaUnavailableError(RuntimeError):
    """The GPU path cannot serve here; the message says what is missing."""


@cache
def driver_version() -> int | None:
    """What the driver supports, as 1000 * major + 10 * minor; None where there is no driver.

    `libcuda` is asked directly: without it, cuda-core's `ObjectCode` takes the process down, even by its `repr`.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version = ctypes.c_int(0)
    return version.value if driver.cuDriverGetVersion(ctypes.byref(version)) == 0 else None


def require_driver() -> None:
    """Raise unless the kernels can be loaded."""
    version = driver_version()
    if version is None:
        raise CudaUnavailableError(
            "No CUDA driver was found (libcuda.so.1). Install NVIDIA driver R580 or newer, "
            "or keep the arrays on the CPU."
        )
    if version < MINIMUM_VERSION:
        major, minor = version // 1000, version % 1000 // 10
        raise CudaUnavailableError(
            f"The driver supports CUDA {major}.{minor}; the kernels need 13.0: install NVIDIA driver R580 or newer."
        )


_users: set[int] = set()


def require_same_process() -> None:
    """Raise in a process forked from one that used CUDA: the driver does not survive a fork. Importing is no use."""
    if not _users:
        _users.add(os.getpid())
    elif os.getpid() not in _users:
        raise CudaUnavailableError("CUDA does not survive a fork; start workers with multiprocessing's 'spawn'.")
