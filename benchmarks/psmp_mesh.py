"""The mesh with its database in view, whose CPU is counted, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stub_mesh import StubMesh, stub_mesh, stub_upstream

from metaqore_mesh.embedded.databases import GATEWAY
from metaqore_mesh.embedded.postgres import EmbeddedPostgres
from metaqore_mesh.run_directory import RunDirectory


class Mesh(StubMesh):
    """The running mesh."""

    @property
    def postgres(self) -> EmbeddedPostgres:
        """The server of its databases."""
        return EmbeddedPostgres(RunDirectory(self.run_dir).postgres)

    @property
    def database_url(self) -> str:
        """The gateway's database, for its owner."""
        return self.postgres.url(GATEWAY)


@contextmanager
def running_mesh(directory: Path) -> Iterator[Mesh]:
    """The mesh, until the block ends; its directory stays."""
    with stub_upstream() as upstream, stub_mesh(upstream, directory):
        yield Mesh(directory)


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
