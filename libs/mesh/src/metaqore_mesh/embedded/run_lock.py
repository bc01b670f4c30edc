"""The lock on a run directory: one supervisor at a time, and its number for those who want to reach it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.run_directory import RunDirectory, unusable

_TRIES = 5
_TRY_EVERY_S = 0.05


@contextmanager
def run_lock(run: RunDirectory) -> Iterator[None]:
    """Hold the run directory as long as the block runs; the kernel lets go when the process dies, however it does.

    Raises `MetaQoreError` `mesh_running` that names who holds it.
    """
    with run.lock.open("a+", encoding="ascii") as file:
        try:
            _lock(file)
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


def _lock(file: IO[str]) -> None:
    """Take the lock. `lock_holder` takes it too, for microseconds, so one refusal says nothing."""
    for _ in range(_TRIES):
        with suppress(BlockingIOError):
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_TRY_EVERY_S)
    return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def lock_holder(run_dir: Path) -> int | None:
    """The supervisor's process number; None where no mesh runs in `run_dir`. Raises `run_directory_unusable`."""
    try:
        with RunDirectory(run_dir).lock.open("r", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unusable(run_dir, error) from error
