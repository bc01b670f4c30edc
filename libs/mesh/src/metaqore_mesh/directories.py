"""Directories whose names survive a crash of the machine (fsync(2): a file's own sync does not keep its name)."""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(directory: Path) -> None:
    """Wait until the names in `directory` survive a crash of the machine."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Make a directory, 0700, with those above it; its own name survives a crash, too. Blocks."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for above in directory.absolute().parents[:2]:
        sync_directory(above)
