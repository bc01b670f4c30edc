"""`metaqore up`, `status` and `down`: the life of a mesh on this machine."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from metaqore_cli.connection import run_directory
from metaqore_cli.output import JSON_OPTION, clean, errors_told, notes, print_json, print_table, screen
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.embedded.control import MeshStatus, PartStatus, status, stop
from metaqore_mesh.embedded.mesh_file import MeshState, read_mesh
from metaqore_mesh.embedded.part import PartState, Progress
from metaqore_mesh.embedded.run_lock import lock_holder
from metaqore_mesh.embedded.settings import UpSettings
from metaqore_mesh.run_directory import RunDirectory
from metaqore_mesh.variables import misspelt

POLL_S = 0.1
STOP_TIMEOUT_S = 180.0
ERROR_TAIL_LINES = 12
_CODED = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+( \(.*\))?: ")
ELSEWHERE = ("METAQORE_API_KEY", "METAQORE_GATEWAY_ENDPOINT", "METAQORE_PROJECT", "METAQORE_ARTIFACT_PREFIX",
             "METAQORE_OBJECTS__STORE")  # fmt: skip
"""Variables that other commands and the gateway alone read; of a group, one."""


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Start it in the background.")] = False,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take free ports instead of the default ones (REST 8001, gRPC 8002).")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="metaqore.yaml: policy, allowpaths, providers, models.", exists=True)
    ] = None,
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Start the mesh and keep it running: broker, PostgreSQL, auditor, inference and gateway.

    Everything that must survive is in METAQORE_RUN_DIR (default ~/.local/state/metaqore).
    """
    settings = _settings(free_ports=free_ports, config=config)
    for name, meant in misspelt(os.environ, UpSettings, ELSEWHERE).items():
        notes.print(f"[yellow]{clean(name)} is set, and nothing reads it. Do you mean {meant}?[/]", highlight=False)
    if detach:
        with errors_told(json=json_):
            _up_in_background(settings)
        _tell_ready(json_=json_)
    else:
        # Its Kafka and database parts take a second to import, which no other command should wait for.
        from metaqore_mesh.embedded.mesh import up as run_mesh  # noqa: PLC0415 - slow to import

        run_mesh(
            settings,
            lambda progress: notes.print(_told(progress), highlight=False),
            ready=lambda: _tell_ready(json_=json_),
        )


def show_status(json_: Annotated[bool, JSON_OPTION] = False) -> None:
    """Every part's health, and where the doors are. The exit code is 0 only when all is well."""
    with errors_told(json=json_):
        found = asyncio.run(status(run_directory().path))
    if json_:
        print_json(_status_dict(found))
    else:
        _print_status(found)
    if not found.healthy:
        raise typer.Exit(1)


def down(
    timeout: Annotated[float, typer.Option(help="How long to wait, in seconds.", min=1)] = STOP_TIMEOUT_S,
    json_: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Stop the mesh: no more tasks are taken, those that run are finished, every record is sealed."""
    with errors_told(json=json_), notes.status("finishing what runs, sealing the records ..."):
        asyncio.run(stop(run_directory().path, timeout))
    if json_:
        print_json({"state": "stopped", "run_dir": str(run_directory().path)})
        return
    notes.print("[dim]the mesh has stopped; its data stays in[/] " + str(run_directory().path), highlight=False)


def _settings(*, free_ports: bool, config: Path | None) -> UpSettings:
    given: dict[str, Any] = {}
    if free_ports:
        given["free_ports"] = True
    if config:
        given["config"] = config
    return UpSettings(**given)


def _tell_ready(*, json_: bool) -> None:
    mesh = read_mesh(run_directory().path)
    if json_:
        places = {"endpoints": mesh.endpoints, "api_key_file": mesh.api_key_file, "run_dir": mesh.run_dir}
        print_json({"state": str(mesh.state), **places})
        sys.stdout.flush()
        return
    notes.print(f"[bold green]the mesh is ready[/]: REST {mesh.endpoints['rest']}, gRPC {mesh.endpoints['grpc']}, "
                f"Kafka {mesh.endpoints['kafka']}", highlight=False)  # fmt: skip
    notes.print(f'[dim]API key in {mesh.api_key_file}; try: metaqore task submit "Hello"[/]', highlight=False)


def _up_in_background(settings: UpSettings) -> None:
    """Starts `metaqore up` as a process of its own, and returns once it is ready or has given up.

    Who is interrupted before that leaves nothing behind that runs.
    """
    run = RunDirectory(settings.run_dir)
    run.create()
    if holder := lock_holder(run.path):
        raise MetaQoreError(
            "mesh_running",
            f"Process {holder} already runs a mesh in {run.path}. See `metaqore status`, or stop it with "
            "`metaqore down`.",
            kind=ErrorKind.CONFLICT,
        )
    command = [sys.executable, "-m", "metaqore_cli", "up"]
    command += ["--free-ports"] if settings.free_ports else []
    command += ["--config", str(settings.config)] if settings.config else []
    log = run.log_of("supervisor")
    log.unlink(missing_ok=True)
    with _signals_raised(), log.open("wb") as output:
        started = subprocess.Popen(  # noqa: S603 - our own program
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=_environment()
        )
        try:
            _until_ready(run, started, log)
        except BaseException:  # a signal, or the terminal is gone and nothing can be told any more
            started.terminate()  # it stops in order, as one in the foreground does
            with suppress(OSError), notes.status("stopping ..."):
                started.wait()
            raise


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Within the block `kill` and a closed terminal raise, as Ctrl-C does, where they would end the process at once."""
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _raised)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _raised(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


_UNFOLDED = "10000"
"""Lines of a log are folded by whoever shows them."""


def _environment() -> dict[str, str]:
    return {**os.environ, "METAQORE_RUN_DIR": str(run_directory().path), "NO_COLOR": "1", "COLUMNS": _UNFOLDED}


def _until_ready(run: RunDirectory, started: subprocess.Popen[bytes], log: Path) -> None:
    told: set[str] = set()
    with notes.status("starting ...") as spinner:
        while True:
            if started.poll() is not None:
                last = last_error(log.read_text(errors="replace").splitlines())
                raise MetaQoreError(
                    "mesh_not_started",
                    "The mesh did not start:\n" + "\n".join(last) + f"\nMore in {run.logs}.",
                    kind=ErrorKind.UNAVAILABLE,
                )
            with suppress(MetaQoreError):
                mesh = read_mesh(run.path)
                if mesh.supervisor.pid == started.pid:
                    for part in mesh.parts:
                        if part.state is PartState.READY and part.name not in told:
                            told.add(part.name)
                            notes.print(f"  [green]ready[/] {part.name}", highlight=False)
                        elif part.state is PartState.STARTING:
                            spinner.update(f"starting {part.name} ...")
                    if mesh.state is MeshState.RUNNING:
                        return
            time.sleep(POLL_S)


def last_error(lines: list[str]) -> list[str]:
    """The last sentences of a log from their code on; its last lines where nothing has one, such as a traceback."""
    begins = [at for at, line in enumerate(lines) if _CODED.match(line)]
    return lines[begins[-1] :] if begins else lines[-ERROR_TAIL_LINES:]


def _told(progress: Progress) -> str:
    colour = {PartState.READY: "green", PartState.RESTARTING: "yellow"}.get(progress.state, "dim")
    return f"  [{colour}]{clean(str(progress))}[/]"


def _status_dict(found: MeshStatus) -> dict[str, Any]:
    mesh = found.mesh
    return {
        "state": str(mesh.state),
        "healthy": found.healthy,
        "endpoints": mesh.endpoints,
        "api_key_file": mesh.api_key_file,
        "run_dir": mesh.run_dir,
        "supervisor_pid": mesh.supervisor.pid,
        "parts": [
            {
                "name": part.entry.name,
                "state": str(part.entry.state),
                "ready": part.healthy,
                "reason": part.reason,
                "pid": part.entry.process.pid if part.entry.process else None,
                "restarts": part.entry.restarts,
                "checks": part.checks,
                "notices": part.notices,
            }
            for part in found.parts
        ],
    }


def _health(part: PartStatus) -> str:
    if not part.healthy:
        return f"[red]{clean(str(part.reason))}[/]"
    return f"[yellow]ok, but {clean('; '.join(part.told))}[/]" if part.told else "[green]ok[/]"


def _print_status(found: MeshStatus) -> None:
    mesh = found.mesh
    colour = "green" if found.healthy else "red"
    screen.print(f"[bold {colour}]{mesh.state}[/] in {mesh.run_dir}", highlight=False)
    print_table(
        ("part", "state", "health", "pid", "restarts"),
        (
            (
                part.entry.name,
                str(part.entry.state),
                _health(part),
                str(part.entry.process.pid) if part.entry.process else "",
                str(part.entry.restarts),
            )
            for part in found.parts
        ),
    )
    for name, endpoint in mesh.endpoints.items():
        screen.print(f"[bold]{name:>8}[/]  {endpoint}", highlight=False)
    screen.print(f"[bold]{'API key':>8}[/]  {mesh.api_key_file}", highlight=False)
