"""route: the gate's logits, the selection and the permutation in one step."""

from __future__ import annotations

import numpy as np

from metaqore_kernels.formats import Array, Floats, widen
from metaqore_kernels.reference import arithmetic


def gate_logits(x: Array, gate: Array) -> Floats:
    """Tokens x [T, H] times the transpose of gate [E, H], each sum in the order of `arithmetic.dot`."""
    rows, experts = widen(x), widen(gate)
    with np.errstate(all="ignore"):
        return np.array([arithmetic.dot(row[None], experts) for row in rows], np.float32).reshape(len(x), len(gate))
