"""How the CPU path is compiled: once, into numba's cache if it has one, with strict IEEE arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

P = ParamSpec("P")
R = TypeVar("R")


def can_be_cached() -> bool:
    """Whether numba finds a folder that it may write: on a read-only disk each process compiles for itself."""
    try:
        FunctionCache(can_be_cached)
    except RuntimeError:  # numba's only word for it
        return False
    return True


CACHED = can_be_cached()


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function` in machine code; a division by zero gives inf or NaN, as NumPy has it."""
    return cast("Callable[P, R]", numba.njit(cache=CACHED, fastmath=False, error_model="numpy", nogil=True)(function))
