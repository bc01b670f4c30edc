"""Rows that broke routers: ties, NaN, infinities, underflow, both zeros, scores that tie where logits do not."""

import numpy as np

STYLES = ["plain", "tied", "broken", "steep", "zeros", "near", "equal"]


def logits(style, tokens, experts, seed=0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 3, (tokens, experts)).astype(np.float32)
    match style:
        case "tied":
            x = np.round(x)
        case "broken":
            x[rng.random(x.shape) < 0.2] = np.nan
            x[rng.random(x.shape) < 0.2] = -np.inf
            x[rng.random(x.shape) < 0.03] = np.inf
        case "steep":
            x *= 60
        case "zeros":
            x = np.where(rng.random(x.shape) < 0.5, np.float32(-0.0), np.float32(0))
        case "near":  # neighbours in fp32, whose sigmoid is one number
            x = (np.float32(20) + rng.integers(0, 8, x.shape) * np.spacing(np.float32(20))).astype(np.float32)
        case "equal":
            x[:] = 1
    if dtype == np.uint16:
        return (x.view(np.uint32) >> 16).astype(np.uint16)
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def bits(array):
    """The bits of an array, so that NaN equals itself and the zeros differ."""
    return np.ascontiguousarray(array).view({2: np.uint16, 4: np.uint32, 8: np.uint64, 1: np.uint8}[array.itemsize])


def same(left, right):
    """Whether all the arrays of two results are equal bit for bit."""
    return all(a.shape == b.shape and np.array_equal(bits(a), bits(b)) for a, b in zip(left, right, strict=True))
