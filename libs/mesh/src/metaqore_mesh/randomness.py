"""Random bytes in small pieces, asked of the kernel in large ones."""

from __future__ import annotations

import os
from typing import Final

_PIECES: Final = 256


class RandomBytes:
    """An iterator over pieces of so many random bytes each, from `os.urandom`.

    A call for each piece lets go of Python's lock, which costs many times what ten bytes do. Not for use in a process
    that forks: the child would give the same bytes.
    """

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._pieces: list[bytes] = []

    def __iter__(self) -> RandomBytes:
        return self

    def __next__(self) -> bytes:
        if not self._pieces:
            size = self._size_bytes
            drawn = os.urandom(size * _PIECES)
            self._pieces = [drawn[at : at + size] for at in range(0, len(drawn), size)]
        return self._pieces.pop()
