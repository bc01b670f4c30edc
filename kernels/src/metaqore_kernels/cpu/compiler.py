"""How the CPU path is compiled: once, into numba's cache, with strict IEEE arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function` in machine code; a division by zero gives inf or NaN, as NumPy has it."""
    return cast("Callable[P, R]", numba.njit(cache=True, fastmath=False, error_model="numpy", nogil=True)(function))
