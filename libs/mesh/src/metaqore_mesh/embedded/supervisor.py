"""The supervisor: starts the parts in order, keeps them running, and stops them in the reverse order."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby

from metaqore_mesh.embedded.keeper import Keeper
from metaqore_mesh.embedded.mesh_file import Mesh, MeshState, Process, read_mesh
from metaqore_mesh.embedded.part import Part, Progress
from metaqore_mesh.embedded.run_lock import run_lock
from metaqore_mesh.embedded.settings import Backoff
from metaqore_mesh.ports import require_free
from metaqore_mesh.run_directory import RunDirectory

#: What a killed supervisor's parts may still take to end by themselves, and to be gone once they are killed.
_ORPHAN_GRACE_S = 2.0
_ORPHAN_TIMEOUT_S = 10.0


async def _nothing() -> None:
    """Nothing to do before the first part."""


def _silent(_: Progress) -> None:
    """Tell nobody."""


class Supervisor:
    """Runs a mesh's parts as processes that die with this one, and keeps mesh.json.

    It must run on the main thread: the kernel ties a child's death to the thread that made it. `before` runs once,
    when the run directory is ours, before the first part. `progress` is called in the event loop.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        run: RunDirectory,
        *,
        endpoints: Mapping[str, str] | None = None,
        backoff: Backoff | None = None,
        start_timeout_s: float = 90.0,
        before: Callable[[], Awaitable[None]] = _nothing,
        progress: Callable[[Progress], None] = _silent,
    ) -> None:
        self._run = run
        self._endpoints = dict(endpoints or {})
        self._before = before
        self._state = MeshState.STARTING
        self._supervisor = Process(os.getpid(), 0)
        self._stopping = asyncio.Event()
        self._running = asyncio.Event()
        self._keepers = [
            Keeper(
                part,
                run.log_of(part.name),
                backoff or Backoff(),
                start_timeout_s=start_timeout_s,
                entered=progress,
                changed=self._write,
            )
            for part in parts
        ]

    async def run(self) -> None:
        """Start all parts, then return only after `request_stop`, when all have ended.

        Raises `MetaQoreError` where another supervisor runs here, a port is held or a part does not start; whatever
        was started is stopped first.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the supervisor runs on the main thread only: its parts die with the thread")
        self._run.create()
        with run_lock(self._run):
            self._supervisor = Process.of(os.getpid()) or self._supervisor
            await _end_orphans(self._run)
            self._require_ports()
            try:
                await self._until_stopped(asyncio.create_task(self._start()))
            finally:
                self._enter(MeshState.STOPPING)
                await self._stop()
                self._enter(MeshState.STOPPED)

    async def running(self) -> None:
        """Wait until every part is ready."""
        await self._running.wait()

    def request_stop(self) -> None:
        """Stop in order; asked a second time, kill every part."""
        if self._stopping.is_set():
            for keeper in self._keepers:
                keeper.kill()
        self._stopping.set()

    async def _start(self) -> None:
        self._enter(MeshState.STARTING)
        await self._before()
        for keeper in self._keepers:
            await keeper.start()
        self._enter(MeshState.RUNNING)
        self._running.set()

    async def _until_stopped(self, start: asyncio.Task[None]) -> None:
        stop = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait((start, stop), return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                start.result()
            await stop
        finally:
            stop.cancel()
            start.cancel()
            await asyncio.wait((start,))

    async def _stop(self) -> None:
        """One after the other, from the last: who uses a part ends before it."""
        for keeper in reversed(self._keepers):
            await keeper.stop()

    def _require_ports(self) -> None:
        for host, keepers in groupby(self._keepers, key=lambda keeper: keeper.part.host):
            require_free(host, {variable: port for keeper in keepers for variable, port in keeper.part.ports.items()})

    def _enter(self, state: MeshState) -> None:
        self._state = state
        self._write()

    def _write(self) -> None:
        mesh = Mesh(
            state=self._state,
            run_dir=str(self._run.path),
            api_key_file=str(self._run.api_key),
            endpoints=self._endpoints,
            supervisor=self._supervisor,
            parts=tuple(keeper.entry() for keeper in self._keepers),
        )
        with suppress(OSError):  # on a full disk the parts are kept all the same, and the next change tries again
            mesh.write()


async def _end_orphans(run: RunDirectory) -> None:
    """End what a killed supervisor's parts left behind: they die with it, but a moment later."""
    if not run.mesh_json.exists():
        return
    began = asyncio.get_running_loop().time()
    left = [part.process for part in read_mesh(run.path).parts if part.process]
    while left := [process for process in left if process.alive()]:
        waited_s = asyncio.get_running_loop().time() - began
        if waited_s > _ORPHAN_TIMEOUT_S:
            return  # their ports say who they are
        if waited_s > _ORPHAN_GRACE_S:
            for process in left:
                process.end(signal.SIGKILL)
        await asyncio.sleep(0.05)
