"""A mesh as `metaqore up` starts it, with the stub upstream as its only provider."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from metaqore_mesh.embedded.mesh_file import read_mesh

_METAQORE: Final = str(Path(sys.executable).with_name("metaqore"))
_HERE: Final = Path(__file__).parent
_CONFIG: Final = """\
default_model: stub
allowpaths:
  - {{effect: allow, caller: "*", tool: "model.*", verb: generate}}
  - {{effect: allow, caller: "*", tool: "psmp.*", verb: "*"}}
providers:
  - {{name: stub, kind: openai, locality: local, base_url: "http://127.0.0.1:{port}/v1"}}
models:
  - {{name: stub, routes: [{{provider: stub, model: stub}}]}}
"""


@dataclass(frozen=True, slots=True)
class Served:
    """A process that serves a port."""

    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class StubMesh:
    """The running mesh."""

    run_dir: Path

    @property
    def rest_port(self) -> int:
        """The gateway's HTTP port."""
        return int(self._endpoint("rest").rpartition(":")[2])

    @property
    def grpc(self) -> str:
        """Host and port of the gateway's gRPC door."""
        return self._endpoint("grpc")

    @property
    def kafka(self) -> str:
        """Host and port of the broker."""
        return self._endpoint("kafka")

    @property
    def api_key(self) -> str:
        """The administrator's key."""
        return Path(read_mesh(self.run_dir).api_key_file).read_text().strip()

    @property
    def gateway_pid(self) -> int:
        """The gateway's process."""
        parts = read_mesh(self.run_dir).parts
        return next(part.process.pid for part in parts if part.name == "ai-gateway" and part.process)

    def _endpoint(self, name: str) -> str:
        return read_mesh(self.run_dir).endpoints[name]


@contextmanager
def stub_upstream() -> Iterator[Served]:
    """The stub, until the block ends."""
    with _serving("stub_upstream.py") as served:
        yield served


@contextmanager
def bare_proxy(upstream: Served) -> Iterator[Served]:
    """Forwarding alone, until the block ends."""
    with _serving("bare_proxy.py", str(upstream.port)) as served:
        yield served


@contextmanager
def bare_writes(database_url: str, *, shared: bool) -> Iterator[Served]:
    """Writing alone, until the block ends."""
    with _serving("bare_writes.py", database_url, *(["--shared"] if shared else [])) as served:
        yield served


@contextmanager
def stub_mesh(upstream: Served, run_dir: Path) -> Iterator[StubMesh]:
    """The mesh, until the block ends. Its data stays in `run_dir`."""
    config = run_dir / "metaqore.yaml"
    config.write_text(_CONFIG.format(port=upstream.port))
    environment = os.environ | {"METAQORE_RUN_DIR": str(run_dir), "METAQORE_CONFIG": str(config)}
    command = [_METAQORE, "up", "--detach", "--free-ports"]
    try:
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
        yield StubMesh(run_dir)
    finally:
        subprocess.run([_METAQORE, "down"], check=False, env=environment, stdout=sys.stderr)


@contextmanager
def _serving(script: str, *arguments: str) -> Iterator[Served]:
    """A script of this folder whose first line of output is its port."""
    with subprocess.Popen([sys.executable, str(_HERE / script), *arguments], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            yield Served(int(process.stdout.readline()), process.pid)
        finally:
            process.terminate()
