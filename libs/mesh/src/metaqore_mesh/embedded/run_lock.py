"""The lock on a run directory: one supervisor at a time, and its number for those who want to reach it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.run_directory import RunDirectory


@contextmanager
def run_lock(run: RunDirectory) -> Iterator[None]:
    """Hold the run directory as long as the block runs; the kernel lets go when the process dies, however it does.

    Raises `MetaQoreError` `mesh_running` that names who holds it.
    """
    with run.lock.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = run.lock.read_text(encoding="ascii").strip()
            raise MetaQoreError(
                "mesh_running",
                f"Process {holder} already runs a mesh in {run.path}. See `metaqore status`, stop it with "
                "`metaqore down`, or take another METAQORE_RUN_DIR.",
                kind=ErrorKind.CONFLICT,
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def lock_holder(run_dir: Path) -> int | None:
    """The supervisor's process number; None where no mesh runs in `run_dir`."""
    try:
        with RunDirectory(run_dir).lock.open("r", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
            return None
    except FileNotFoundError:
        return None
