import subprocess
import sys

import numpy as np
import pytest
from cases import logits

import metaqore_kernels as mk


def test_ids_come_in_the_type_asked_for():
    x = logits("plain", 4, 8)
    assert mk.route_select(x, 2).ids.dtype == np.int32
    assert mk.route_select(x, 2, id_type="int64").ids.dtype == np.int64


def test_results_go_into_given_arrays():
    x = logits("plain", 4, 8)
    out = mk.Selection(np.empty((4, 2), np.float32), np.empty((4, 2), np.int64))
    assert mk.route_select(x, 2, out=out) is out
    np.testing.assert_array_equal(out.ids, mk.route_select(x, 2).ids)


def test_num_tokens_may_be_an_array_of_one():
    got = mk.route_select(logits("plain", 4, 8), 2, num_tokens=np.array([3], np.int32))
    np.testing.assert_array_equal(got.ids[3], [-1, -1])


def without(*modules):
    """A program whose imports of these modules fail."""
    return f"import sys\nfor name in {modules!r}: sys.modules[name] = None\n"


ROUTED = (
    "import numpy as np, metaqore_kernels as mk\n"
    "from metaqore_kernels.placement import cpu_backend\n"
    "assert mk.route_select(np.zeros((2, 8), np.float32), 2).ids.tolist() == [[0, 1], [0, 1]]\n"
    "print(cpu_backend().__name__)\n"
)


@pytest.mark.parametrize(
    ("before", "path"),
    [
        pytest.param(without("numba"), "metaqore_kernels.reference", id="without numba NumPy serves"),
        pytest.param(
            "from numba.core.caching import CacheImpl\nCacheImpl._locator_classes = []\n",
            "metaqore_kernels.cpu",
            id="on a read-only disk numba compiles without a cache",
        ),
    ],
)
def test_the_cpu_is_served_by(before, path):
    if "CacheImpl" in before:
        pytest.importorskip("numba")
    done = subprocess.run([sys.executable, "-c", before + ROUTED], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == path


def test_importing_loads_no_path_but_numpys():
    program = "import sys, metaqore_kernels; print([n for n in sys.modules if 'cuda' in n or 'numba' in n])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
