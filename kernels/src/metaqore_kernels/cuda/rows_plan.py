"""How gather_rows, combine, balance_update and the gate's logits are launched."""

from __future__ import annotations

import ctypes

from metaqore_kernels.cuda.launches import SIZES, VECTOR_BYTES, Launch, View, fields
from metaqore_kernels.sizes import ceil_div

THREADS = 256
MOST_BLOCKS = 2**16
GATE_THREADS = 64
GATE_TOKENS = 4


class GatherArguments(ctypes.Structure):
    """As in rows.cu."""

    _fields_ = fields("""
        p: x permutation y
        q: row_bytes x_stride
        i: rows k aligned
    """)


class CombineArguments(ctypes.Structure):
    """As in rows.cu."""

    _fields_ = fields("""
        p: y inverse weights out
        i: tokens k hidden aligned
    """)


class BalanceArguments(ctypes.Structure):
    """As in rows.cu."""

    _fields_ = fields("""
        p: counts bias out
        i: experts wide
        f: gamma
    """)


class GateArguments(ctypes.Structure):
    """As in gate.cu."""

    _fields_ = fields("""
        p: x gate logits
        q: x_stride gate_stride
        i: tokens experts hidden aligned
    """)


def plan_gather(x: View, permutation: View, y: View, k: int) -> list[Launch]:
    """One launch; x may hold any type of 2 bytes or more."""
    size = SIZES[x.kind]
    arguments = GatherArguments(
        x=x.pointer,
        permutation=permutation.pointer,
        y=y.pointer,
        row_bytes=y.shape[1] * size,
        x_stride=x.strides[0] * size,
        rows=y.shape[0],
        k=k,
        aligned=x.is_aligned(y.shape[1]) and y.is_aligned(y.shape[1]),
    )
    return [Launch("gather_rows", arguments, (min(y.shape[0], MOST_BLOCKS), 1), THREADS)] if y.size else []


def plan_combine(y: View, inverse: View, weights: View, out: View) -> list[Launch]:
    """One launch."""
    (tokens, k), hidden = inverse.shape, y.shape[1]
    arguments = CombineArguments(
        y=y.pointer,
        inverse=inverse.pointer,
        weights=weights.pointer,
        out=out.pointer,
        tokens=tokens,
        k=k,
        hidden=hidden,
        aligned=y.is_aligned(hidden) and out.is_aligned(hidden),
    )
    per = VECTOR_BYTES // SIZES[y.kind]
    threads = min(THREADS, ceil_div(ceil_div(hidden, per), 32) * 32)
    return [Launch(f"combine_{y.kind}", arguments, (min(tokens, MOST_BLOCKS), 1), threads)] if out.size else []


def plan_balance(counts: View, bias: View, out: View, gamma: float) -> list[Launch]:
    """One launch of one block."""
    arguments = BalanceArguments(
        counts=counts.pointer,
        bias=bias.pointer,
        out=out.pointer,
        experts=counts.size,
        wide=counts.kind == "int64",
        gamma=gamma,
    )
    return [Launch("balance_update", arguments, (1, 1), THREADS, THREADS * 8)]


def plan_gate(x: View, gate: View, logits: View) -> list[Launch]:
    """One launch; one token reads the gate once, more share what is read of it."""
    (tokens, hidden), experts = x.shape, gate.shape[0]
    arguments = GateArguments(
        x=x.pointer,
        gate=gate.pointer,
        logits=logits.pointer,
        x_stride=x.strides[0],
        gate_stride=gate.strides[0],
        tokens=tokens,
        experts=experts,
        hidden=hidden,
        aligned=x.is_aligned(8) and gate.is_aligned(8),
    )
    together = 1 if tokens == 1 else GATE_TOKENS
    grid = (ceil_div(tokens, together), ceil_div(experts, GATE_THREADS // 32))
    return [Launch(f"gate_exact_{x.kind}_{together}", arguments, grid, GATE_THREADS)] if logits.size else []
