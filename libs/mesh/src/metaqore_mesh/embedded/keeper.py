"""Keeps one part running: starts it, waits until it is ready, starts it again when it dies, and stops it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.embedded.asking import ask
from metaqore_mesh.embedded.mesh_file import PartEntry, Process
from metaqore_mesh.embedded.part import Part, PartState, Progress
from metaqore_mesh.embedded.settings import Backoff

_POLL_S = 0.05
_LIVENESS_EVERY_S = 2.0
#: How often in a row a part says that it is dead, or says nothing at all, until it is restarted.
_DEAD_ANSWERS = 3
_NO_ANSWERS = 15
_KILL_TIMEOUT_S = 5.0
_LOG_LIMIT_BYTES = 32 * 1024 * 1024
_READ_BYTES = 64 * 1024
_SHOWN_CHARACTERS = 2_000


class Keeper:
    """One part and its present process. `entered` is told of each state, `changed` that `entry` is another."""

    def __init__(
        self,
        part: Part,
        log: Path,
        backoff: Backoff,
        *,
        start_timeout_s: float,
        entered: Callable[[Progress], None],
        changed: Callable[[], None],
    ) -> None:
        self.part = part
        self._log = log
        self._said_from = 0
        self._backoff = backoff
        self._start_timeout_s = start_timeout_s
        self._entered = entered
        self._changed = changed
        self._state = PartState.WAITING
        self._reason = ""
        self._restarts = 0
        self._process: asyncio.subprocess.Process | None = None
        self._identity: Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    def entry(self) -> PartEntry:
        """The part as mesh.json has it."""
        return PartEntry(self.part.name, self._state, self._identity, self._restarts, self._reason, self.part.probe)

    async def start(self) -> None:
        """Start the part, and keep it running once it is ready. Raises `MetaQoreError` `part_failed` where it fails."""
        try:
            await self._launch()
        except BaseException:
            await self._kill()
            raise
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Ask the part to end, wait until it has, and kill what is left after its time."""
        if self._keeping:
            self._keeping.cancel()
            await asyncio.wait((self._keeping,))
        if self._process and self._process.returncode is None:
            self._enter(PartState.STOPPING)
            with suppress(ProcessLookupError):
                self._process.send_signal(self.part.stop_signal)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.part.stop_timeout_s):
                    await self._process.wait()
        late = bool(self._process and self._process.returncode is None)
        await self._kill()
        self._enter(PartState.STOPPED, reason=f"killed after {self.part.stop_timeout_s:g} s" if late else "")

    def kill(self) -> None:
        """End the part's process at once. `stop` then finds it dead."""
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _launch(self) -> None:
        """One start, until the part is ready."""
        began = asyncio.get_running_loop().time()
        self._enter(PartState.STARTING)
        command = await self.part.command()
        with _opened(self._log) as log:
            self._said_from = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.part.environment),
                start_new_session=True,  # a Ctrl-C in the terminal is the supervisor's to answer
            )
        self._identity = Process.of(self._process.pid)
        self._changed()
        try:
            async with asyncio.timeout(self._start_timeout_s):
                while reason := await self._unready(self._process):
                    self._reason = reason
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise self._failed(f"not ready after {self._start_timeout_s:g} s: {self._reason}") from error
        self._enter(PartState.READY, seconds=asyncio.get_running_loop().time() - began)

    async def _unready(self, process: asyncio.subprocess.Process) -> str | None:
        if process.returncode is not None:
            raise self._failed(_ending(process.returncode))
        if self.part.probe and (reason := (await ask(self.part.probe)).reason):
            return reason
        try:
            await self.part.settle()
        except MetaQoreError as error:
            if not error.retryable:
                raise
            return error.message
        return None

    async def _keep(self) -> None:
        """Start the part again whenever it dies. Ends only by being cancelled."""
        loop = asyncio.get_running_loop()
        deaths = 0
        while True:
            ready_since = loop.time()
            reason = await self._death()
            deaths = 1 if loop.time() - ready_since >= self._backoff.healthy_after_s else deaths + 1
            while reason:
                await self._kill()
                self._restarts += 1
                delay_s = self._backoff.delay_s(deaths)
                self._enter(PartState.RESTARTING, seconds=delay_s, reason=reason)
                await asyncio.sleep(delay_s)
                try:
                    await self._launch()
                    reason = ""
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the part is tried again
                    reason, deaths = str(error) or type(error).__name__, deaths + 1

    async def _death(self) -> str:
        """Wait until the process ends, or says that only a restart can help; give the reason."""
        assert self._process  # noqa: S101 - `start` made it
        process = self._process
        ended = asyncio.create_task(process.wait())
        dead = asyncio.create_task(self._liveness_lost())
        try:
            await asyncio.wait((ended, dead), return_when=asyncio.FIRST_COMPLETED)
            return _ending(ended.result()) if ended.done() else dead.result()
        finally:
            ended.cancel()
            dead.cancel()

    async def _liveness_lost(self) -> str:
        url = urlsplit(self.part.probe or "")
        if url.scheme != "http" or not url.path.endswith("/ready"):
            await asyncio.Event().wait()
        probe = url._replace(path=url.path.removesuffix("/ready") + "/live").geturl()
        dead = silent = 0
        while True:
            await asyncio.sleep(_LIVENESS_EVERY_S)
            answer = await ask(probe)
            silent = 0 if answer.answered else silent + 1
            dead = dead + 1 if answer.answered and answer.reason else 0
            if dead >= _DEAD_ANSWERS or silent >= _NO_ANSWERS:
                return answer.reason or "not alive"

    async def _kill(self) -> None:
        """End the process and its group at once, and wait until it is gone."""
        if not self._process:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(_KILL_TIMEOUT_S):
                await self._process.wait()
        self._process = self._identity = None

    def _enter(self, state: PartState, *, seconds: float = 0.0, reason: str = "") -> None:
        self._state, self._reason = state, reason
        self._changed()
        with suppress(OSError):  # on a full disk, or where nobody reads any more, the part is kept all the same
            self._entered(Progress(self.part.name, state, seconds, reason))

    def _failed(self, why: str) -> MetaQoreError:
        said = _said(self._log, self._said_from)
        told = _refusal(said) or f"{why}. The end of {self._log}:\n{said[-_SHOWN_CHARACTERS:]}"
        return MetaQoreError(
            "part_failed",
            f"{self.part.name} did not start: {told}",
            kind=ErrorKind.UNAVAILABLE,
            retryable=True,
        )


def _opened(log: Path) -> IO[bytes]:
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    return log.open("ab")


def _said(log: Path, begin: int) -> str:
    """What a part has said since it was started, or the last of that."""
    with log.open("rb") as file:
        file.seek(max(begin, file.seek(0, os.SEEK_END) - _READ_BYTES))
        return file.read().decode(errors="replace").strip()


def _refusal(lines: str) -> str:
    """What the service itself says a person should do, where the last lines of its log hold that."""
    for line in reversed(lines.splitlines()):
        with suppress(ValueError, TypeError, KeyError):
            entry = json.loads(line)
            if entry["event"] == "service.refused":
                return str(entry["reason"])
    return ""


def _ending(status: int) -> str:
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
