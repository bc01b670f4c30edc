"""What is launched, and on what: plain values, so that planning needs no driver."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Kind = Literal["fp32", "fp16", "bf16", "int8", "int32", "int64", "uint8", "uint32"]
SIZES: dict[Kind, int] = {
    "fp32": 4, "fp16": 2, "bf16": 2, "int8": 1, "int32": 4, "int64": 8, "uint8": 1, "uint32": 4
}  # fmt: skip
VECTOR_BYTES = 16


@dataclass(frozen=True, slots=True)
class View:
    """An array on a device: where it begins, its shape, its strides in elements."""

    pointer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    kind: Kind
    owner: Any = field(default=None, compare=False, repr=False)  # whose memory it is, kept while the view is

    @property
    def size(self) -> int:
        """How many elements it has."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    def rows_are_contiguous(self) -> bool:
        """Whether each row of a matrix lies in one piece."""
        return self.strides[-1] == 1 or self.shape[-1] <= 1

    def is_contiguous(self) -> bool:
        """Whether all of it lies in one piece, in C order."""
        expected = 1
        for n, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if n > 1 and stride != expected:
                return False
            expected *= n
        return True

    def is_aligned(self, *lengths: int) -> bool:
        """Whether it begins at a multiple of 16 bytes, as do its rows and every step of `lengths` elements."""
        row = self.strides[0] if len(self.shape) > 1 and self.shape[0] > 1 else 0
        steps = (row, *lengths)
        return self.pointer % VECTOR_BYTES == 0 and all(n * SIZES[self.kind] % VECTOR_BYTES == 0 for n in steps)


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel on one grid; `together` where its blocks wait for one another."""

    kernel: str
    arguments: ctypes.Structure
    grid: tuple[int, int]
    threads: int
    shared_bytes: int = 0
    together: bool = False


class Device(Protocol):
    """Memory and launches of one device and stream.

    - `view` of an array keeps the array's memory; it copies nothing and waits for nothing.
    - `contiguous` copies an array into one piece, or says how to.
    - What `empty` returns belongs to the caller, and is ready for the work launched after it.
    - `workspace` is scratch for the launches that follow on the same stream; a later call may return the same memory.
    - `counter` is a word that is 0 and that nothing else uses, now or in the replay of a graph.
    - `launch` returns before the work is done, and the launches run in order.
    """

    multiprocessors: int

    def view(self, array: Any) -> View: ...
    def contiguous(self, array: Any) -> Any: ...
    def empty(self, shape: tuple[int, ...], kind: Kind) -> Any: ...
    def workspace(self, size_bytes: int) -> int: ...
    def counter(self) -> int: ...
    def launch(self, launches: Sequence[Launch]) -> None: ...


def pointer(view: View | None) -> int | None:
    """The address for a kernel's argument; null where there is no array."""
    return None if view is None else view.pointer


class Arguments(ctypes.Structure):
    """What a kernel is given: the struct of its source, whose numbers must fit, since ctypes would cut them off."""

    def __init__(self, **values: Any) -> None:
        for name, kind in self._fields_:  # type: ignore[misc]
            if kind is ctypes.c_int32 and not -(2**31) <= values[name] < 2**31:
                raise ValueError(f"{name} is {values[name]}, and must fit into 32 bits: do the work in parts.")
        super().__init__(**values)


def fields(text: str) -> list[tuple[str, type]]:
    """The fields of a struct from lines of `type: name name`; the types are p(ointer), q (64 bits), i(nt), f(loat)."""
    types = {"p": ctypes.c_void_p, "q": ctypes.c_int64, "i": ctypes.c_int32, "f": ctypes.c_float}
    return [
        (name, types[letter.strip()])
        for letter, _, names in (line.partition(":") for line in text.strip().splitlines())
        for name in names.split()
    ]
