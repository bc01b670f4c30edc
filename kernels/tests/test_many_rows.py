"""Adversarial rows by the hundred thousand; METAQORE_MANY_ROWS=10000000 for as many as the table of marks asks for."""

import os

import numpy as np
import pytest
from cases import STYLES, logits, same

from metaqore_kernels import reference
from metaqore_kernels.options import RouteOptions

ROWS = int(os.environ.get("METAQORE_MANY_ROWS", "200000"))
PART = 20_000
CHOICES = [
    RouteOptions(renormalize=True),
    RouteOptions(scoring="sigmoid", renormalize=True, scale=2.5),
    RouteOptions("sigmoid", 8, 4, "top2_sum", renormalize=True),
    RouteOptions("softmax", 4, 2),
    RouteOptions(scoring="sqrtsoftplus", renormalize=True),
]


@pytest.mark.timeout(3600)
def test_the_cpu_path_equals_the_oracle():
    cpu = pytest.importorskip("metaqore_kernels.cpu", exc_type=ImportError)
    for i in range(max(ROWS // PART, 1)):
        options = CHOICES[i % len(CHOICES)]
        x = logits(STYLES[i % len(STYLES)], PART, 32, seed=i)
        bias = np.random.default_rng(i).normal(0, 0.3, 32).astype(np.float32) if i % 3 == 0 else None
        got, expected = (path.route_select(x, 4, options, bias=bias) for path in (cpu, reference))
        assert same(got, expected), (i, options)
