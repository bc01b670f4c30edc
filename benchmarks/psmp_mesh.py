"""A mesh as `metaqore up` starts it: the gateway as shipped, whose process and whose database are counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from metaqore_mesh.embedded.databases import GATEWAY
from metaqore_mesh.embedded.mesh_file import read_mesh
from metaqore_mesh.embedded.postgres import EmbeddedPostgres
from metaqore_mesh.run_directory import RunDirectory

METAQORE: Final = str(Path(sys.executable).with_name("metaqore"))
STUB: Final = Path(__file__).with_name("stub_upstream.py")
_CONFIG: Final = """\
default_model: stub
allowpaths:
  - {{effect: allow, caller: "*", tool: "psmp.*", verb: "*"}}
providers:
  - {{name: stub, kind: openai, locality: local, base_url: "http://127.0.0.1:{port}/v1"}}
models:
  - {{name: stub, routes: [{{provider: stub, model: stub}}]}}
"""


@dataclass(frozen=True, slots=True)
class Mesh:
    """The running mesh."""

    run: RunDirectory

    @property
    def grpc(self) -> str:
        """Host and port of the gateway's gRPC door."""
        return read_mesh(self.run.path).endpoints["grpc"]

    @property
    def api_key(self) -> str:
        """The administrator's key."""
        return self.run.api_key.read_text().strip()

    @property
    def gateway_pid(self) -> int:
        """The gateway's process."""
        parts = read_mesh(self.run.path).parts
        return next(part.process.pid for part in parts if part.name == "ai-gateway" and part.process)

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The server of its databases."""
        return EmbeddedPostgres(self.run.postgres)

    @property
    def database_url(self) -> str:
        """The gateway's database, for its owner."""
        return self.postgres.url(GATEWAY)


@contextmanager
def running_mesh(directory: Path) -> Iterator[Mesh]:
    """The mesh, until the block ends; its directory stays."""
    with subprocess.Popen([sys.executable, str(STUB)], stdout=subprocess.PIPE) as stub:
        assert stub.stdout is not None  # noqa: S101 - it is a pipe
        config = directory / "metaqore.yaml"
        config.write_text(_CONFIG.format(port=int(stub.stdout.readline())))
        environment = os.environ | {"METAQORE_RUN_DIR": str(directory), "METAQORE_CONFIG": str(config)}
        command = [METAQORE, "up", "--detach", "--free-ports"]
        try:
            subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
            yield Mesh(RunDirectory(directory))
        finally:
            subprocess.run([METAQORE, "down"], check=False, env=environment, stdout=sys.stderr)
            stub.terminate()


def cpu_us(pid: int) -> float:
    """What a process has run, all its threads that are still there, in microseconds."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((thread / "schedstat").read_text().split()[0])
        except OSError:
            continue  # it has just ended
    return total / 1000


def server_cpu_us(directory: Path) -> float:
    """What all processes of the PostgreSQL that works in `directory` have run, in microseconds."""
    total = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "exe").readlink().name == "postgres" and (process / "cwd").readlink() == directory.resolve():
                total += cpu_us(int(process.name))
        except OSError:
            continue  # it has just ended, or is somebody else's
    return total
