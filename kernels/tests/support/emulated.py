"""A device that is none: the kernels' own sources, compiled for this CPU, behind the port of `cuda.launches.Device`."""

import ctypes
import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np

from metaqore_kernels import cuda
from metaqore_kernels.cuda.launches import SIZES, View
from metaqore_kernels.cuda.operations import Operations
from metaqore_kernels.cuda.runtime import KINDS

SOURCES = Path(cuda.__file__).parent / "source"
EMULATOR = Path(__file__).parent / "emulator.hpp"
BUILT = Path(__file__).parent / "__pycache__"  # nobody else writes here, as they may in the folder for temporary files
TYPES = {kind: name for name, kind in KINDS.items() if name not in {"bool", "bfloat16"}}


@cache
def library(source):
    """The shared library of one source file, compiled once for its text and the emulator's."""
    texts = [path.read_bytes() for path in (*sorted(SOURCES.glob("*.cuh")), SOURCES / source, EMULATOR)]
    built = BUILT / f"emulated-{hashlib.sha256(b''.join(texts)).hexdigest()[:16]}.so"
    if not built.exists():
        BUILT.mkdir(exist_ok=True)
        part = built.with_suffix(f".{os.getpid()}")
        flags = ["-std=c++17", "-O1", "-g0", "-fPIC", "-shared", "-ffp-contract=off", "-w", "-x", "c++"]
        subprocess.run(
            ["g++", *flags, "-include", str(EMULATOR), "-I", str(SOURCES), str(SOURCES / source), "-o", str(part)],
            check=True,
        )
        part.rename(built)
    return ctypes.CDLL(str(built))


@cache
def kernel(name):
    for source in sorted(SOURCES.glob("*.cu")):
        if hasattr(library(source.name), name):
            return getattr(library(source.name), name), getattr(library(source.name), f"{name}_size")()
    raise LookupError(f"No source has a kernel {name}.")


class EmulatedDevice:
    """Runs each launch to its end; memory is NumPy's, and what nobody has written yet is no zero."""

    def __init__(self, multiprocessors=3):
        self.multiprocessors = multiprocessors
        self.launched = []
        self._counter = np.zeros(1, np.uint32)

    def view(self, array):
        strides = tuple(s // array.itemsize for s in array.strides)
        return View(array.ctypes.data, array.shape, strides, KINDS[array.dtype.name], array)

    def contiguous(self, array):
        return np.ascontiguousarray(array)

    def empty(self, shape, kind):
        size = int(np.prod(shape)) * SIZES[kind]
        memory = np.full(size + 64, 0xA5, np.uint8)
        start = -memory.ctypes.data % 16
        return memory[start : start + size].view(TYPES[kind]).reshape(shape)

    def workspace(self, size_bytes):
        self._workspace = np.full(size_bytes + 8, 0xA5, np.uint8)
        return self._workspace.ctypes.data

    def counter(self):
        return self._counter.ctypes.data

    def launch(self, launches):
        for launch in launches:
            function, size = kernel(launch.kernel)
            assert size == ctypes.sizeof(launch.arguments), f"{launch.kernel}: the struct differs from the source's"
            grid = (ctypes.c_uint * 2)(*launch.grid)
            function(ctypes.byref(launch.arguments), grid, launch.threads, launch.shared_bytes, int(launch.together))
            self.launched.append(launch.kernel)


def emulated(**settings):
    return Operations(EmulatedDevice(**settings))
