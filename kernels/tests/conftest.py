"""The paths that must agree: each test that asks for `path` runs on every one that this machine has."""

import importlib.util
import shutil

import pytest


@pytest.fixture(params=["reference", "cpu", "emulated"])
def path(request):
    """The oracle, numba's path, and the CUDA path with its kernels run on this CPU."""
    match request.param:
        case "emulated":
            return request.getfixturevalue("emulated")
        case "cpu" if importlib.util.find_spec("numba") is None:
            pytest.skip("numba is not installed: pip install metaqore-kernels[cpu]")
    return importlib.import_module(f"metaqore_kernels.{request.param}")


@pytest.fixture
def emulated():
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing; it compiles the kernels for this CPU")
    from emulated import emulated

    return emulated()
