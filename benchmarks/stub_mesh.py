"""A mesh as `metaqore up` starts it, with the stub upstream as its only provider."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from metaqore_mesh.embedded.mesh_file import read_mesh

METAQORE = str(Path(sys.executable).with_name("metaqore"))
STUB = Path(__file__).with_name("stub_upstream.py")

CONFIG = """\
default_model: stub
allowpaths:
  - {{effect: allow, caller: "*", tool: "model.*", verb: generate}}
providers:
  - {{name: stub, kind: openai, locality: local, base_url: "http://127.0.0.1:{port}/v1"}}
models:
  - {{name: stub, routes: [{{provider: stub, model: stub}}]}}
"""


@dataclass(frozen=True, slots=True)
class StubUpstream:
    """The running stub."""

    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class StubMesh:
    """The running mesh."""

    run_dir: Path

    @property
    def rest_port(self) -> int:
        """The gateway's HTTP port."""
        return int(read_mesh(self.run_dir).endpoints["rest"].rpartition(":")[2])

    @property
    def api_key(self) -> str:
        """The administrator's key."""
        return Path(read_mesh(self.run_dir).api_key_file).read_text().strip()

    @property
    def gateway_pid(self) -> int:
        """The gateway's process."""
        parts = read_mesh(self.run_dir).parts
        return next(part.process.pid for part in parts if part.name == "ai-gateway" and part.process)


@contextmanager
def stub_upstream() -> Iterator[StubUpstream]:
    """The stub, until the block ends."""
    with subprocess.Popen([sys.executable, str(STUB)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            yield StubUpstream(int(process.stdout.readline()), process.pid)
        finally:
            process.terminate()


@contextmanager
def stub_mesh(upstream: StubUpstream) -> Iterator[StubMesh]:
    """The mesh, until the block ends; its directory goes with it."""
    with tempfile.TemporaryDirectory(prefix="metaqore-bench-") as directory:
        run_dir = Path(directory)
        config = run_dir / "metaqore.yaml"
        config.write_text(CONFIG.format(port=upstream.port))
        environment = os.environ | {"METAQORE_RUN_DIR": directory, "METAQORE_CONFIG": str(config)}
        command = [METAQORE, "up", "--detach", "--free-ports"]
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
        try:
            yield StubMesh(run_dir)
        finally:
            subprocess.run([METAQORE, "down"], check=False, env=environment, stdout=sys.stderr)


def cpu_s(pid: int) -> float:
    """User and system time of a process and all its threads, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
