"""The sums of products: combine, the gate's logits, and a row's score, in the stated order."""

from __future__ import annotations

import numpy as np

from metaqore_kernels.cpu.arithmetic import ZERO, neighbour_sum
from metaqore_kernels.cpu.compiler import compiled
from metaqore_kernels.formats import Array, Floats, narrow, widen
from metaqore_kernels.reference.arithmetic import DOT_ACCUMULATORS


def combine(y: Array, inverse: Array, weights: Floats) -> Array:
    """As `reference.rows.combine`."""
    total = np.zeros((len(inverse), y.shape[1]), np.float32)
    add_rows(np.ascontiguousarray(widen(y)), inverse, weights, total)
    return narrow(total, y)


def gate_logits(x: Array, gate: Array) -> Floats:
    """As `reference.gate.gate_logits`."""
    logits = np.empty((len(x), len(gate)), np.float32)
    dots(np.ascontiguousarray(widen(x)), np.ascontiguousarray(widen(gate)), logits)
    return logits


@compiled
def add_rows(y: np.ndarray, inverse: np.ndarray, weights: np.ndarray, total: np.ndarray) -> None:
    """Add weight * row, slot after slot."""
    for t in range(inverse.shape[0]):
        for j in range(inverse.shape[1]):
            row = inverse[t, j]
            if 0 <= row < y.shape[0]:
                weight = weights[t, j]
                for h in range(y.shape[1]):
                    total[t, h] += weight * y[row, h]


@compiled
def dot(x: np.ndarray, y: np.ndarray, sums: np.ndarray) -> np.float32:
    """As `reference.arithmetic.dot` for two vectors; `sums` is room for the accumulators."""
    sums[:] = ZERO
    for start in range(0, x.shape[0], DOT_ACCUMULATORS):
        for i in range(min(DOT_ACCUMULATORS, x.shape[0] - start)):
            sums[i] += x[start + i] * y[start + i]
    return neighbour_sum(sums, DOT_ACCUMULATORS)


@compiled
def squared_distance(x: np.ndarray, y: np.ndarray, sums: np.ndarray) -> np.float32:
    """As `reference.arithmetic.squared_distance` for two vectors."""
    sums[:] = ZERO
    for start in range(0, x.shape[0], DOT_ACCUMULATORS):
        for i in range(min(DOT_ACCUMULATORS, x.shape[0] - start)):
            difference = x[start + i] - y[start + i]
            sums[i] += difference * difference
    return neighbour_sum(sums, DOT_ACCUMULATORS)


@compiled
def dots(x: np.ndarray, gate: np.ndarray, logits: np.ndarray) -> None:
    """Every row of x with every row of the gate."""
    sums = np.empty(DOT_ACCUMULATORS, np.float32)
    for t in range(x.shape[0]):
        for e in range(gate.shape[0]):
            logits[t, e] = dot(x[t], gate[e], sums)


@compiled
def scores(query: np.ndarray, rows: np.ndarray, squared: bool, result: np.ndarray) -> None:  # noqa: FBT001
    """The score of each row for a query of floats, before any scale."""
    sums = np.empty(DOT_ACCUMULATORS, np.float32)
    for n in range(rows.shape[0]):
        result[n] = -squared_distance(query, rows[n], sums) if squared else dot(query, rows[n], sums)
