import asyncio
import signal
import sys
from contextlib import asynccontextmanager

import pytest

from metaqore_mesh.embedded.part import Part, PartState
from metaqore_mesh.embedded.settings import Backoff
from metaqore_mesh.embedded.supervisor import Supervisor
from metaqore_mesh.embedded.tied import tied
from metaqore_mesh.run_directory import RunDirectory

SLEEPER = "import time; time.sleep(600)"


def script(name, code=SLEEPER, **changes):
    """A part that runs a few lines of Python."""

    async def command():
        return tied([sys.executable, "-c", code], death_signal=signal.SIGKILL)

    return Part(name=name, command=command, **({"stop_timeout_s": 5.0} | changes))


class Watched:
    """A supervisor that runs, and what it told."""

    def __init__(self, parts, run, **changes):
        self.told = []
        changes = {"backoff": Backoff(first_s=0.05, most_s=0.2, healthy_after_s=60), "start_timeout_s": 10} | changes
        self.supervisor = Supervisor(parts, run, progress=self._tell, **changes)
        self.cannot_be_told = None

    def _tell(self, progress):
        self.told.append(progress)
        if self.cannot_be_told:
            raise self.cannot_be_told

    def states(self, name):
        return [told.state for told in self.told if told.part == name]

    def readied(self, name, times):
        return self.states(name).count(PartState.READY) >= times


@pytest.fixture(name="script")
def make_script():
    return script


@pytest.fixture
def run(tmp_path):
    return RunDirectory(tmp_path / "run")


@pytest.fixture
def supervising(run):
    @asynccontextmanager
    async def supervise(*parts, **changes):
        watched = Watched(parts, run, **changes)
        running = asyncio.create_task(watched.supervisor.run())
        ready = asyncio.create_task(watched.supervisor.running())
        await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        try:
            if running.done():
                running.result()
            yield watched
        finally:
            if not running.done():
                watched.supervisor.request_stop()
                await running

    return supervise
