"""How gather_rows, combine, balance_update and the gate's logits are launched."""

from __future__ import annotations

from metaqore_kernels.cuda.launches import SIZES, VECTOR_BYTES, Arguments, Launch, View, fields
from metaqore_kernels.options import GatePath
from metaqore_kernels.sizes import ceil_div

THREADS = 256
MOST_BLOCKS = 2**16
GATE_THREADS = 64
GATE_TOKENS = 4
TENSOR_TOKENS, TENSOR_EXPERTS = 128, 64  # a block's tile
TENSOR_SHARED = 3 * (TENSOR_TOKENS + TENSOR_EXPERTS) * 40 * 2
FEW_TOKENS = 32  # for which reading the gate is the cost, and tensor cores have nothing to gain


class GatherArguments(Arguments):
    """As in rows.cu."""

    _fields_ = fields("""
        p: x permutation y
        q: row_bytes x_stride slots
        i: rows k aligned
    """)


class CombineArguments(Arguments):
    """As in rows.cu."""

    _fields_ = fields("""
        p: y inverse weights out
        i: tokens k hidden rows aligned
    """)


class BalanceArguments(Arguments):
    """As in rows.cu."""

    _fields_ = fields("""
        p: counts bias out
        i: experts wide
        f: gamma
    """)


class GateArguments(Arguments):
    """As in gate.cuh."""

    _fields_ = fields("""
        p: x gate logits
        q: x_stride gate_stride
        i: tokens experts hidden aligned
    """)


def plan_gather(x: View, permutation: View, y: View, k: int) -> list[Launch]:
    """One launch."""
    size = SIZES[x.kind]
    arguments = GatherArguments(
        x=x.pointer,
        permutation=permutation.pointer,
        y=y.pointer,
        row_bytes=y.shape[1] * size,
        x_stride=x.strides[0] * size,
        slots=x.shape[0] * k,
        rows=y.shape[0],
        k=max(k, 1),
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
        rows=y.shape[0],
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


def by_tensor_cores(x: View, gate: View, path: GatePath) -> bool:
    """Whether they sum the gate's products; raises where they are asked for and cannot."""
    possible = x.kind != "fp32" and x.is_aligned(x.shape[1]) and gate.is_aligned(x.shape[1])
    if path == "tensor" and not possible:
        raise ValueError("The tensor path takes fp16 or bf16 whose rows begin at multiples of 16 bytes.")
    return path == "tensor" or (path == "auto" and possible and x.shape[0] > FEW_TOKENS)


def gate_arguments(x: View, gate: View, logits: View) -> GateArguments:
    """What the gate's kernels are given."""
    return GateArguments(
        x=x.pointer,
        gate=gate.pointer,
        logits=logits.pointer,
        x_stride=x.strides[0],
        gate_stride=gate.strides[0],
        tokens=x.shape[0],
        experts=gate.shape[0],
        hidden=x.shape[1],
        aligned=x.is_aligned(8) and gate.is_aligned(8),
    )


def plan_gate(x: View, gate: View, logits: View, path: GatePath = "auto") -> list[Launch]:
    """One launch: a tile of tokens and experts to a block, or in the stated order, which few tokens share."""
    arguments, tokens, experts = gate_arguments(x, gate, logits), x.shape[0], gate.shape[0]
    if by_tensor_cores(x, gate, path):
        grid = (ceil_div(tokens, TENSOR_TOKENS), ceil_div(experts, TENSOR_EXPERTS))
        launch = Launch(f"gate_tensor_{x.kind}", arguments, grid, THREADS, TENSOR_SHARED)
    else:
        together = 1 if tokens == 1 else GATE_TOKENS
        grid = (ceil_div(tokens, together), ceil_div(experts, GATE_THREADS // 32))
        launch = Launch(f"gate_exact_{x.kind}_{together}", arguments, grid, GATE_THREADS)
    return [launch] if logits.size else []
