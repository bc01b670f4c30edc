"""The paths that must agree: each test that asks for `path` runs on every one that this machine has."""

import importlib.util

import pytest

PATHS = ["reference", "cpu"]


@pytest.fixture(params=PATHS)
def path(request):
    if request.param == "cpu" and importlib.util.find_spec("numba") is None:
        pytest.skip("numba is not installed: pip install metaqore-kernels[cpu]")
    return importlib.import_module(f"metaqore_kernels.{request.param}")
