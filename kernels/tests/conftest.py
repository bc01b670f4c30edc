"""The paths that must agree: each test that asks for `path` runs on every one that this machine has."""

import importlib.util
import shutil

import pytest


@pytest.fixture(params=["reference", "cpu", "emulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def path(request):
    """The oracle, numba's path, the CUDA path with its kernels run on this CPU, and on a GPU."""
    match request.param:
        case "emulated" | "gpu":
            return request.getfixturevalue(request.param)
        case "cpu" if importlib.util.find_spec("numba") is None:
            pytest.skip("numba is not installed: pip install metaqore-kernels[cpu]")
    return importlib.import_module(f"metaqore_kernels.{request.param}")


@pytest.fixture
def emulated():
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing; it compiles the kernels for this CPU")
    from emulated import emulated

    return emulated()


@pytest.fixture
def gpu():
    from metaqore_kernels.cuda.driver import driver_version

    if driver_version() is None:
        pytest.fail("tests of the marker gpu need a CUDA driver; run the others with -m 'not gpu'")
    from on_gpu import OnGpu

    return OnGpu()
