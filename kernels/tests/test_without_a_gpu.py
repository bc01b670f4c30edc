"""On a machine without a driver everything imports, the CPU serves, and the GPU path says what it misses."""

import subprocess
import sys

import pytest
from places import on_gpu

from metaqore_kernels.cuda import built, driver


@pytest.mark.parametrize(
    ("version", "says"), [(None, "libcuda"), (12080, r"supports CUDA 12\.8; the kernels need 13\.0.*R580")]
)
def test_what_the_driver_lacks_is_said(monkeypatch, version, says):
    import metaqore_kernels as mk

    monkeypatch.setattr("metaqore_kernels.cuda.driver.driver_version", lambda: version)
    with pytest.raises(driver.CudaUnavailableError, match=says):
        mk.route_select(on_gpu(), 2)


def test_importing_touches_no_driver():
    program = (
        "import ctypes, sys\n"
        "def refuse(*_, **__): raise AssertionError('the driver was touched')\n"
        "ctypes.CDLL = refuse\n"
        "import metaqore_kernels, metaqore_kernels.cuda, metaqore_kernels.cuda.runtime, numpy\n"
        "metaqore_kernels.route_select.__module__\n"
        "from metaqore_kernels import reference, options\n"
        "reference.route_select(numpy.zeros((2, 8), 'float32'), 2, options.RouteOptions())\n"
        "assert not [name for name in sys.modules if name == 'cuda' or name.startswith('cuda.')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("capability", "target"),
    [((8, 0), "sm_80"), ((8, 6), "sm_80"), ((8, 9), "sm_80"), ((9, 0), "sm_90a"), ((10, 0), "sm_100f"),
     ((10, 3), "sm_100f"), ((12, 0), "sm_120"), ((11, 0), "compute_80"), ((13, 0), "compute_80")],
)  # fmt: skip
def test_each_device_has_a_file(capability, target):
    assert built.target_for(*capability).name == target


def test_older_devices_are_refused():
    with pytest.raises(driver.CudaUnavailableError, match=r"8\.0 or newer; the device has 7\.5"):
        built.target_for(7, 5)


def test_a_process_forked_from_one_with_cuda_is_told(monkeypatch):
    monkeypatch.setattr(driver, "_users", set())
    driver.require_same_process()
    driver.require_same_process()
    monkeypatch.setattr("metaqore_kernels.cuda.driver.os.getpid", lambda: -1)
    with pytest.raises(driver.CudaUnavailableError, match="spawn"):
        driver.require_same_process()
