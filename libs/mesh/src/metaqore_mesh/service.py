"""The life of a service process: start, be ready, drain on SIGTERM, end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
import uvloop

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.health import Check, Health
from metaqore_mesh.probes import serve_probes
from metaqore_mesh.settings import MeshSettings, TelemetrySettings
from metaqore_mesh.telemetry.logging import configure_logging
from metaqore_mesh.telemetry.tracing import tracing

__all__ = ["Check", "Health", "Start", "read_settings", "run_service"]

S = TypeVar("S", bound=MeshSettings)

#: Entering it starts the service and registers its checks; leaving it takes no more work, finishes what is there
#: and closes. A background task that fails (in a `TaskGroup` inside it) ends the process with 1, for a restart.
Start = Callable[[Health], AbstractAsyncContextManager[object]]

_log = structlog.get_logger()


def read_settings(name: str, settings: type[S]) -> S:
    """The service's settings. Where they do not hold, the log says why, and the process ends with 1."""
    try:
        return settings()
    except MetaQoreError as error:
        configure_logging(name, level="INFO", log_format="json")
        _tell(error)
        sys.exit(1)


def run_service(name: str, telemetry: TelemetrySettings, start: Start, *, drain_timeout_s: float = 60.0) -> int:
    """Run a service on uvloop until SIGTERM or SIGINT, and give the exit status for `sys.exit`.

    Logs and traces are set up first, traces flushed last; `start` needs to do neither.
    Probes and metrics are served from before `start` is entered until after it is left. The first signal drains,
    for at most `drain_timeout_s`; a second one ends the process at once. The status is 0 after an orderly end, else 1.
    """
    configure_logging(name, level=telemetry.log_level, log_format=telemetry.log_format)
    with (
        tracing(name, otlp_endpoint=telemetry.otlp_endpoint),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_Process(name, drain_timeout_s).run(telemetry, start))


@dataclass(slots=True)
class _Process:
    name: str
    drain_timeout_s: float
    health: Health = field(default_factory=Health)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    phase: str = "starting"

    async def run(self, telemetry: TelemetrySettings, start: Start) -> int:
        """Serve the probes around the service's life."""
        self.health.add_readiness("service", lambda: None if self.phase == "running" else self.phase)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        try:
            async with serve_probes(self.health, telemetry.metrics_host, telemetry.metrics_port) as port:
                _log.info("service.started", metrics_port=port, pid=os.getpid())
                status = await self._until_ended(asyncio.create_task(self._live(start)))
        except MetaQoreError as error:
            _tell(error)
            return 1
        _log.info("service.stopped", status=status)
        return status

    def _signalled(self, number: int) -> None:
        if self.stopping.is_set():
            os._exit(128 + number)
        _log.info("service.draining", signal=signal.Signals(number).name)
        self.stopping.set()

    async def _live(self, start: Start) -> None:
        async with start(self.health):
            self.phase = "running"
            _log.info("service.ready")
            await self.stopping.wait()
            self.phase = "draining"

    async def _until_ended(self, life: asyncio.Task[None]) -> int:
        stop = asyncio.create_task(self.stopping.wait())
        await asyncio.wait((life, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self.phase == "starting":
            life.cancel()  # told to stop before it was ready: nothing to drain
        done, _ = await asyncio.wait((life,), timeout=self.drain_timeout_s)
        if not done:
            _log.error("service.drain_timed_out", timeout_s=self.drain_timeout_s)
            life.cancel()
            await asyncio.wait((life,), timeout=self.drain_timeout_s)
            return 1
        with contextlib.suppress(asyncio.CancelledError):
            if error := life.exception():
                _tell(error, self.phase)
                return 1
        return 0


def _tell(error: BaseException, phase: str = "starting") -> None:
    """A refusal says what to do; anything else is a defect and shows where it came from."""
    if isinstance(error, MetaQoreError):
        _log.error("service.refused", code=error.code, reason=error.message)
    else:
        _log.error("service.failed", phase=phase, exc_info=error)
