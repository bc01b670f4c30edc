"""16-bit floats on a CPU: fp16 is NumPy's own, bf16 travels as uint16."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]


def is_bf16(array: Array) -> bool:
    """Whether `array` holds bf16: a uint16 view, or the type of the package ml_dtypes."""
    return array.dtype == np.uint16 or array.dtype.name == "bfloat16"


def widen(array: Array) -> Floats:
    """`array` of fp32, fp16 or bf16 as fp32, exactly."""
    if array.dtype == np.float32:
        return array
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if is_bf16(array):
        return (array.view(np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    raise TypeError(f"Expected fp32, fp16, or bf16 as uint16; got {array.dtype}.")


def narrow(values: Floats, like: Array) -> Array:
    """fp32 `values` in the format of `like`, rounded to nearest even."""
    if like.dtype == np.float32:
        return values
    if like.dtype == np.float16:
        with np.errstate(over="ignore"):  # beyond 65504 lies inf
            return values.astype(np.float16)
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    quiet = (bits >> np.uint32(16)) | np.uint32(0x40)  # rounding a NaN up could make it infinite
    return np.where(np.isnan(values), quiet, rounded).astype(np.uint16).view(like.dtype)
