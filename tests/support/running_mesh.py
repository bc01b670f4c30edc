"""A mesh of a test's own, started and stopped through the `metaqore` command alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METAQORE = str(Path(sys.executable).with_name("metaqore"))
UP_TIMEOUT_S = 120
DOWN_TIMEOUT_S = 90


@dataclass(frozen=True)
class RunningMesh:
    """What a test may do with it: run the command, read the status, look at the parts' processes."""

    run_dir: Path
    environment: dict[str, str]

    def run(self, *arguments: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """The finished `metaqore` command; with `check`, a failure is an AssertionError that shows its output."""
        command = [METAQORE, *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done

    def json(self, *arguments: str) -> Any:
        """What the command prints with `--json`."""
        return json.loads(self.run(*arguments, "--json").stdout)

    @property
    def status(self) -> dict[str, Any]:
        """`metaqore status --json`, healthy or not."""
        return json.loads(self.run("status", "--json", check=False).stdout)

    @property
    def endpoints(self) -> dict[str, str]:
        """rest, grpc, kafka, metrics."""
        return json.loads((self.run_dir / "mesh.json").read_text())["endpoints"]

    @property
    def api_key(self) -> str:
        """The admin key of the first organization."""
        return (self.run_dir / "api-key").read_text().strip()

    def up(self, *options: str) -> None:
        """Starts it on free ports, in the background, and waits until every part is ready."""
        self.run("up", "--detach", "--free-ports", *options, timeout=UP_TIMEOUT_S)

    def down(self) -> None:
        """Stops it in order."""
        self.run("down", timeout=DOWN_TIMEOUT_S)


@contextmanager
def running_mesh(run_dir: Path, *options: str, **variables: str) -> Iterator[RunningMesh]:
    """A mesh for as long as the block runs. `variables` are settings (`METAQORE_…`)."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("METAQORE_")}
    mesh = RunningMesh(run_dir, {**inherited, "METAQORE_RUN_DIR": str(run_dir), **variables})
    mesh.up(*options)
    try:
        yield mesh
    finally:
        mesh.run("down", check=False, timeout=DOWN_TIMEOUT_S)


def eventually(look: Callable[[], Any], *, within_s: float = 60, every_s: float = 0.1) -> Any:
    """What `look` gives once it gives something true; an AssertionError after `within_s`."""
    deadline = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {look}"
        time.sleep(every_s)
    return found
