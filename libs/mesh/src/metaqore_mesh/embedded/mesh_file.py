"""mesh.json: where the running mesh answers, and which processes it consists of."""

from __future__ import annotations

import json
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from os import kill
from pathlib import Path
from typing import Any

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.embedded.part import PartState
from metaqore_mesh.run_directory import RunDirectory, unusable, write_atomically


class MeshState(StrEnum):
    """Where the mesh is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Process:
    """A process that is not mistaken for a later one of the same number: it started so many ticks after boot."""

    pid: int
    started_ticks: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process of that number, None where there is none or it is dead and only waits to be reaped."""
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in ("Z", "X") else cls(pid, int(fields[19]))

    def alive(self) -> bool:
        """Whether it still runs."""
        return Process.of(self.pid) == self

    def end(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.alive():
            with suppress(ProcessLookupError):
                kill(self.pid, number)


@dataclass(frozen=True, slots=True)
class PartEntry:
    """One part as mesh.json has it."""

    name: str
    state: PartState
    process: Process | None
    restarts: int
    reason: str
    probe: str | None


@dataclass(frozen=True, slots=True)
class Mesh:
    """The file's content. `endpoints`: `rest` with its scheme; `grpc`, `kafka` and `metrics` as `host:port`."""

    state: MeshState
    run_dir: str
    api_key_file: str
    endpoints: dict[str, str]
    supervisor: Process
    parts: tuple[PartEntry, ...]

    def as_json(self) -> dict[str, Any]:
        """What the file holds; `parts` and their processes as objects."""
        return {"version": 1, **asdict(self)}

    def write(self) -> None:
        """Replace the run directory's mesh.json."""
        text = json.dumps(self.as_json(), indent=2) + "\n"
        write_atomically(RunDirectory(Path(self.run_dir)).mesh_json, text.encode())


def read_mesh(run_dir: Path) -> Mesh:
    """What mesh.json says.

    Raises `MetaQoreError`: `mesh_not_running` where no mesh was ever started in `run_dir`, `mesh_file_invalid` or
    `run_directory_unusable`.
    """
    path = RunDirectory(run_dir).mesh_json
    try:
        return _mesh(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise not_running(run_dir) from error
    except OSError as error:
        raise unusable(run_dir, error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise MetaQoreError(
            "mesh_file_invalid", f"{path} was not written by this version. Stop that mesh and remove the file."
        ) from error


def _mesh(content: dict[str, Any]) -> Mesh:
    return Mesh(
        state=MeshState(content["state"]),
        run_dir=content["run_dir"],
        api_key_file=content["api_key_file"],
        endpoints=content["endpoints"],
        supervisor=Process(**content["supervisor"]),
        parts=tuple(map(_part, content["parts"])),
    )


def _part(content: dict[str, Any]) -> PartEntry:
    process = Process(**content["process"]) if content["process"] else None
    return PartEntry(**{**content, "state": PartState(content["state"]), "process": process})


def not_running(run_dir: Path) -> MetaQoreError:
    """There is no mesh to talk to."""
    return MetaQoreError(
        "mesh_not_running",
        f"No mesh runs in {run_dir}. Start one with `metaqore up`, or name another directory in METAQORE_RUN_DIR.",
        kind=ErrorKind.UNAVAILABLE,
    )
