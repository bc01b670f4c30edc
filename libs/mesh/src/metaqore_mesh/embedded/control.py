"""A mesh seen from outside its supervisor: how it is, and how to stop it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.embedded.asking import Answer, ask
from metaqore_mesh.embedded.mesh_file import Mesh, MeshState, PartEntry, not_running, read_mesh
from metaqore_mesh.embedded.part import PartState
from metaqore_mesh.embedded.run_lock import lock_holder

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A part, and what it says of itself just now. `reason` is None where it is well."""

    entry: PartEntry
    reason: str | None
    checks: dict[str, Any]
    notices: dict[str, Any] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether it can be used now."""
        return self.reason is None

    @property
    def told(self) -> list[str]:
        """What is wrong and stops no work."""
        return [f"{name}: {notice['reason']}" for name, notice in self.notices.items() if not notice["ok"]]


@dataclass(frozen=True, slots=True)
class MeshStatus:
    """A mesh and each of its parts."""

    mesh: Mesh
    parts: tuple[PartStatus, ...]

    @property
    def healthy(self) -> bool:
        """Whether the mesh runs and every part is well."""
        return self.mesh.state is MeshState.RUNNING and all(part.healthy for part in self.parts)


async def status(run_dir: Path) -> MeshStatus:
    """Ask every part at once. Raises `MetaQoreError` `mesh_not_running` where no mesh was ever started in `run_dir`."""
    mesh = read_mesh(run_dir)
    if lock_holder(run_dir) is None:
        mesh = replace(mesh, state=MeshState.STOPPED)
    return MeshStatus(mesh, tuple(await asyncio.gather(*map(_part_status, mesh.parts))))


async def _part_status(entry: PartEntry) -> PartStatus:
    if not entry.process or not entry.process.alive():
        stopped = entry.state in (PartState.STOPPED, PartState.WAITING, PartState.RESTARTING)
        entry = replace(entry, process=None, state=entry.state if stopped else PartState.STOPPED)
        return PartStatus(entry, entry.reason or "not running", {})
    answer = await ask(entry.probe) if entry.probe else Answer()
    return PartStatus(entry, answer.reason, answer.checks, answer.notices)


async def stop(run_dir: Path, timeout_s: float) -> None:
    """Ask the supervisor to stop in order, and wait until it has.

    Raises `MetaQoreError`: `mesh_not_running`, or `stop_timed_out`, where the mesh goes on stopping.
    """
    pid = lock_holder(run_dir)
    if pid is None:
        raise not_running(run_dir)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    began = asyncio.get_running_loop().time()
    while lock_holder(run_dir) == pid:
        if asyncio.get_running_loop().time() - began > timeout_s:
            raise MetaQoreError(
                "stop_timed_out",
                f"The mesh still stops after {timeout_s:g} s: `metaqore status` says what it waits for. A second "
                "`metaqore down` kills what is left; nothing acknowledged is lost.",
                kind=ErrorKind.DEADLINE_EXCEEDED,
                retryable=True,
            )
        await asyncio.sleep(_POLL_S)
