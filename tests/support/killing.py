"""kill -9 of the parts of a mesh, and of an Apache Kafka beside it, until they are back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from metaqore_mesh.embedded.control import status
from running_mesh import RunningMesh, eventually

VENDORED_KAFKA = Path(__file__).parents[3] / "shared" / "vendor" / "kafka" / "kafka-up.sh"
COMES_BACK_WITHIN_S = 60
KAFKA_ATTEMPTS = 3


class VendoredKafka:
    """An Apache Kafka that the test may kill and start again."""

    port = 19392

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.start()

    def start(self) -> None:
        """Start it where its data is.

        Its script may end without a process (it draws the cluster's id, and Kafka's own tool takes one in 64, those
        that begin with a dash, for an option), or with one that does not answer yet, on a machine that is busy.
        """
        started = self.directory / "kafka.pid"
        for _ in range(KAFKA_ATTEMPTS):
            started.unlink(missing_ok=True)
            done = subprocess.run(
                [str(VENDORED_KAFKA), str(self.directory), str(self.port)], capture_output=True, text=True, check=False
            )
            if not started.exists():
                continue
            self.pid = int(started.read_text())
            if not done.returncode:
                return
            with contextlib.suppress(ProcessLookupError):
                self.kill()
        raise AssertionError(f"Apache Kafka did not start: {done.stderr}")

    def kill(self) -> None:
        """kill -9."""
        os.kill(self.pid, signal.SIGKILL)
        eventually(lambda: not _lives(self.pid))

    def stop(self) -> None:
        """End it in order."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)


def _lives(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class Killer:
    """Kills parts, and counts how often. `kafka` stands in for the mesh's own broker where it is given."""

    def __init__(self, mesh: RunningMesh, kafka: VendoredKafka | None) -> None:
        self._mesh = mesh
        self._kafka = kafka
        self.kills: Counter[str] = Counter()

    async def kill(self, victims: Sequence[str]) -> None:
        """All of them at once; returns when the mesh is healthy again, every victim in a new process."""
        before = self._pids()
        for victim in victims:
            self.kills[victim] += 1
            if victim == "broker" and self._kafka:
                self._kafka.kill()
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(before[victim], signal.SIGKILL)
        if self._kafka and "broker" in victims:
            await asyncio.to_thread(self._kafka.start)
        ours = [victim for victim in victims if victim in before]
        back = lambda: self._back(before, ours)  # noqa: E731 - bound to what is drawn here
        await asyncio.to_thread(eventually, back, within_s=COMES_BACK_WITHIN_S, every_s=0.2)

    def _pids(self) -> dict[str, int]:
        parts = json.loads((self._mesh.run_dir / "mesh.json").read_text())["parts"]
        return {part["name"]: part["process"]["pid"] for part in parts if part["process"]}

    def _back(self, before: dict[str, int], victims: Sequence[str]) -> bool:
        now = self._pids()
        if any(now.get(victim) in (None, before[victim]) for victim in victims):
            return False
        # Not through the command: twenty Python processes a round would take the processor from the parts that start.
        return asyncio.run(status(self._mesh.run_dir)).healthy
