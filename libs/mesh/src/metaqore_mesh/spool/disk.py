"""The few calls that make bytes durable."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from metaqore_mesh.directories import sync_directory

_PRIVATE_FILE = 0o600


class Disk(Protocol):
    """Where segments lie. Every call blocks, and raises `OSError` where the disk does not do what it should.

    - `create` returns once the file, its content and its name survive a crash; before, there is no file `path`.
    - `write` hands all of `content` to the kernel; it survives a crash only once `sync` has returned.
    - After an error of `write` or `sync` nobody knows what the file holds: whoever gets one must not go on with it.
    """

    def create(self, path: Path, content: bytes) -> int:
        """A descriptor of the new file `path`."""
        ...

    def open(self, path: Path) -> int:
        """A descriptor of an existing file, to go on with."""
        ...

    def write(self, descriptor: int, content: bytes, offset: int) -> None:
        """Put `content` at `offset`."""
        ...

    def cut(self, descriptor: int, size_bytes: int) -> None:
        """Drop what lies behind `size_bytes`."""
        ...

    def sync(self, descriptor: int) -> None:
        """Wait until what was written survives a crash of the machine."""
        ...

    def close(self, descriptor: int) -> None:
        """Give the file back."""
        ...

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove files in the order given; one that is gone already is no error."""
        ...


class PosixDisk:
    """A directory of a local file system."""

    def create(self, path: Path, content: bytes) -> int:
        """A new file, under a temporary name until it is whole."""
        unfinished = path.with_name(path.name + UNFINISHED)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
        try:
            self.write(descriptor, content, 0)
            os.fsync(descriptor)
            unfinished.rename(path)
            sync_directory(path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def open(self, path: Path) -> int:
        """An existing file, to go on with."""
        return os.open(path, os.O_RDWR)

    def write(self, descriptor: int, content: bytes, offset: int) -> None:
        """All of `content` at `offset`; the kernel may take it in pieces."""
        written = os.pwrite(descriptor, content, offset)
        if written < len(content):
            rest = memoryview(content)
            while written < len(rest):
                written += os.pwrite(descriptor, rest[written:], offset + written)

    def cut(self, descriptor: int, size_bytes: int) -> None:
        """Drop what lies behind `size_bytes`."""
        os.ftruncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        """Wait until what was written survives a crash of the machine."""
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """Give the file back."""
        os.close(descriptor)

    def remove(self, paths: Iterable[Path]) -> None:
        """Remove files in the order given."""
        for path in paths:
            path.unlink(missing_ok=True)


UNFINISHED = ".new"
"""What a file's name ends in until the file is whole."""


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the lock file exclusively until it is closed, or None where somebody has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor
