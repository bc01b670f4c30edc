"""The one sequence of correctly rounded fp32 operations that every path follows; see docs/arithmetic.md.

Each line below is one IEEE-754 operation per element, rounded to nearest even, subnormals kept. Nothing is contracted
into a fused multiply-add, nothing is reassociated, and no library's `exp` or `log` is called: two libraries agree on
neither.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LOG2_E: Final = np.float32(1.4426950408889634)
# ln 2 in two parts: the first has few enough bits for n * LN2_HIGH to be exact.
LN2_HIGH: Final = np.float32(0.693359375)
LN2_LOW: Final = np.float32(-2.12194440e-4)
# 1.5 * 2**23: adding it rounds to an integer, whose bits then sit at the bottom of the significand.
ROUNDER: Final = np.float32(12582912.0)
ROUNDER_BITS: Final = 0x4B400000
EXP_FLOOR: Final = np.float32(-104.0)  # exp of it is under half the least subnormal
# exp(r) = 1 + r + r*r*q(r) for |r| <= ln(2)/2; q fitted at Chebyshev nodes, relative error 1.1e-8
EXP_Q: Final = tuple(np.float32(c) for c in (0.5, 0.16666576, 0.041666463, 0.008363236, 0.0013933734))
# log1p(u) = 2z + 2z*z2*g(z2), z = u/(2+u), z2 = z*z <= 1/9; relative error 1.5e-8
LOG_G: Final = tuple(np.float32(c) for c in (0.3333332, 0.20003848, 0.14116608, 0.1343644))
# Sums of products go to as many accumulators as a warp of 32 holds in 16-byte reads of 2-byte numbers.
DOT_ACCUMULATORS: Final = 256


def polynomial(coefficients: tuple[np.float32, ...], x: Floats) -> Floats:
    """Horner's scheme, a multiplication and an addition each step."""
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x
        value = value + coefficient
    return value


def exp_nonpositive(x: Floats) -> Floats:
    """exp(x) for x <= 0, -inf included; within 1 ulp."""
    x = np.maximum(x, EXP_FLOOR)
    t = x * LOG2_E
    t = t + ROUNDER
    n = t.view(np.int32) - np.int32(ROUNDER_BITS)
    whole = t - ROUNDER
    r = x - whole * LN2_HIGH
    r = r - whole * LN2_LOW
    y = polynomial(EXP_Q, r) * (r * r)
    y = y + r
    y = y + np.float32(1)
    half = n >> 1  # two factors: 2**n alone may be subnormal
    result: Floats = (y * power_of_two(half)) * power_of_two(n - half)
    return result


def power_of_two(n: NDArray[np.int32]) -> Floats:
    """2**n for -126 <= n <= 127, made of its bits."""
    return ((n + np.int32(127)) << np.int32(23)).view(np.float32)


def log1p_unit(u: Floats) -> Floats:
    """log(1 + u) for 0 <= u <= 1; within 2 ulp."""
    z = u / (u + np.float32(2))
    z2 = z * z
    tail = polynomial(LOG_G, z2) * z2
    tail = tail * z
    z = z + tail
    result: Floats = z + z
    return result


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), from the side on which exp does not overflow."""
    e = exp_nonpositive(-np.abs(x))
    result: Floats = np.where(x >= 0, np.float32(1), e) / (e + np.float32(1))
    return result


def sqrt_softplus(x: Floats) -> Floats:
    """sqrt(log(1 + exp(x)))."""
    return np.sqrt(np.maximum(x, np.float32(0)) + log1p_unit(exp_nonpositive(-np.abs(x))))


def neighbour_sum(x: Floats) -> Floats:
    """The sum over the last axis by one tree: neighbours are added, and their sums, until one is left.

    Zeros fill up to a power of two. More of them change nothing, so a path may use any power of two that is enough.
    """
    width = 1 << max(x.shape[-1] - 1, 0).bit_length()
    level = np.zeros((*x.shape[:-1], width), np.float32)
    level[..., : x.shape[-1]] = x
    while level.shape[-1] > 1:
        level = level[..., 0::2] + level[..., 1::2]
    return level[..., 0]


def dot(x: Floats, y: Floats) -> Floats:
    """The sum of x*y over the last axis: product h goes to accumulator h mod 256, then `neighbour_sum`."""
    return accumulate(x.shape[-1], lambda part: x[..., part] * y[..., part])


def squared_distance(x: Floats, y: Floats) -> Floats:
    """The sum of (x-y)*(x-y) over the last axis, in the order of `dot`."""

    def term(part: slice) -> Floats:
        difference = x[..., part] - y[..., part]
        return difference * difference

    return accumulate(x.shape[-1], term)


def accumulate(length: int, term: Any) -> Floats:
    """The sum of term(h) for h < length in the order that `dot` states."""
    sums = np.zeros((*term(slice(0, 0)).shape[:-1], DOT_ACCUMULATORS), np.float32)
    for start in range(0, length, DOT_ACCUMULATORS):
        part = term(slice(start, min(start + DOT_ACCUMULATORS, length)))
        sums[..., : part.shape[-1]] += part
    return neighbour_sum(sums)
