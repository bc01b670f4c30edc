"""The arithmetic of `reference.arithmetic` one number at a time, compiled; nothing here may be contracted."""

from __future__ import annotations

import numpy as np

from metaqore_kernels.cpu.compiler import compiled
from metaqore_kernels.reference import arithmetic as stated

ZERO, ONE, TWO = np.float32(0), np.float32(1), np.float32(2)
LOG2_E, LN2_HIGH, LN2_LOW = stated.LOG2_E, stated.LN2_HIGH, stated.LN2_LOW
ROUNDER, EXP_FLOOR = stated.ROUNDER, stated.EXP_FLOOR
Q0, Q1, Q2, Q3, Q4 = stated.EXP_Q
G0, G1, G2, G3 = stated.LOG_G
POWERS = np.ldexp(np.float32(1), np.arange(-80, 1, dtype=np.int32)).astype(np.float32)


@compiled
def exp_nonpositive(x: np.float32) -> np.float32:
    """exp(x) for x <= 0."""
    x = max(x, EXP_FLOOR)
    whole = (x * LOG2_E + ROUNDER) - ROUNDER
    n = np.int32(whole)
    r = x - whole * LN2_HIGH
    r = r - whole * LN2_LOW
    q = (((Q4 * r + Q3) * r + Q2) * r + Q1) * r + Q0
    y = q * (r * r)
    y = y + r
    y = y + ONE
    half = n >> 1
    return np.float32((y * POWERS[half + 80]) * POWERS[n - half + 80])


@compiled
def log1p_unit(u: np.float32) -> np.float32:
    """log(1 + u) for 0 <= u <= 1."""
    z = u / (u + TWO)
    z2 = z * z
    tail = (((G3 * z2 + G2) * z2 + G1) * z2 + G0) * z2
    tail = tail * z
    z = z + tail
    return z + z


@compiled
def sigmoid(x: np.float32) -> np.float32:
    """1 / (1 + exp(-x))."""
    e = exp_nonpositive(-abs(x))
    return (ONE if x >= ZERO else e) / (e + ONE)


@compiled
def sqrt_softplus(x: np.float32) -> np.float32:
    """sqrt(log(1 + exp(x)))."""
    return np.float32(np.sqrt(max(x, ZERO) + log1p_unit(exp_nonpositive(-abs(x)))))


@compiled
def neighbour_sum(buffer: np.ndarray, length: int) -> np.float32:
    """The sum of buffer[:length] by the stated tree; the buffer, a power of two long, is used up."""
    width = 1
    while width < length:
        width *= 2
    buffer[length:width] = ZERO
    while width > 1:
        width //= 2
        for i in range(width):
            buffer[i] = buffer[2 * i] + buffer[2 * i + 1]
    return buffer[0] if length > 0 else ZERO
