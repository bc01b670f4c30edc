"""The compiled kernels in this package: which file serves which device, and whether it is what was built."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from metaqore_kernels.cuda.driver import CudaUnavailableError

BUILT = Path(__file__).parent / "built"
SOURCE = Path(__file__).parent / "source"
MANIFEST = BUILT / "manifest.json"
OLDEST = (8, 0)


@dataclass(frozen=True, slots=True)
class Target:
    """What a file is compiled for."""

    name: str  # as nvcc's -arch has it
    major: int
    minors: tuple[int, ...]  # of the devices that it runs on
    suffix: str = "cubin"

    def runs_on(self, major: int, minor: int) -> bool:
        """Whether a device of this compute capability runs it."""
        return major == self.major and minor in self.minors


CUBINS = (
    Target("sm_80", 8, (0, 6, 7, 9)),
    Target("sm_90a", 9, (0,)),
    Target("sm_100f", 10, (0, 1, 3)),
    Target("sm_120", 12, (0, 1)),
)
PORTABLE = Target("compute_80", 8, (), "ptx")  # the driver compiles it for whatever came later


def target_for(major: int, minor: int) -> Target:
    """The target that serves a device."""
    if (major, minor) < OLDEST:
        raise CudaUnavailableError(f"The kernels need compute capability 8.0 or newer; the device has {major}.{minor}.")
    return next((target for target in CUBINS if target.runs_on(major, minor)), PORTABLE)


@cache
def manifest() -> dict[str, Any]:
    """What `make kernels` wrote: sources, compiler, and for each file its checksum and kernels."""
    try:
        return dict(json.loads(MANIFEST.read_text()))
    except FileNotFoundError:
        raise CudaUnavailableError(
            "This installation has no compiled kernels: run `make kernels` in a checkout, or install the wheel."
        ) from None


def file_name(source: str, target: Target) -> str:
    """The name of a source's file for a target."""
    return f"{source}.{target.name}.{target.suffix}"


@cache
def code(source: str, target: Target) -> bytes:
    """The file's bytes, checked against the manifest."""
    name = file_name(source, target)
    content = (BUILT / name).read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest()["files"][name]["sha256"]:
        raise CudaUnavailableError(f"{name} is not what the manifest says; run `make kernels`, or install again.")
    return content


@cache
def source_of(kernel: str, target: Target) -> str:
    """The source that holds a kernel."""
    for file in manifest()["files"].values():
        if file["target"] == target.name and kernel in file["kernels"]:
            return str(file["source"])
    raise LookupError(f"No compiled file for {target.name} holds the kernel {kernel}.")
