"""A signal ends an example with its mesh, and a mesh that still starts: nothing runs on, nothing stays on the disk."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from heeding import HEEDING_SIGNALS
from running_mesh import METAQORE, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EXAMPLES = Path(__file__).parents[2] / "examples"
TOUR, STORY = "governed_tasks.py", "psmp_story.py"


def at_once(_):
    return True


def while_its_mesh_starts(directory):
    """The supervisor runs, and has not started a part yet, or some of them."""
    return any(file.read_text() for file in directory.glob("metaqore-*/mesh.json"))


def while_it_is_used(directory):
    shown = (directory / "shown").read_text()
    return "each through its door" in shown or "The lead begins" in shown


@pytest.fixture
def directory():
    """One with a path so short that PostgreSQL's socket can be in it."""
    with tempfile.TemporaryDirectory(prefix="ended-") as path:
        yield Path(path)


@pytest.mark.parametrize(
    ("example", "when", "number"),
    [
        (TOUR, at_once, signal.SIGTERM),
        (TOUR, while_its_mesh_starts, signal.SIGINT),
        (TOUR, while_its_mesh_starts, signal.SIGTERM),
        (TOUR, while_its_mesh_starts, signal.SIGHUP),
        (TOUR, while_it_is_used, signal.SIGTERM),
        (STORY, while_it_is_used, signal.SIGINT),
    ],
)
def test_a_signal_ends_an_example_with_its_mesh(directory, example, when, number):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("METAQORE_")}
    shown = directory / "shown"
    with shown.open("wb") as output:
        started = subprocess.Popen(
            [*HEEDING_SIGNALS, sys.executable, EXAMPLES / example],
            env={**inherited, "TMPDIR": str(directory), "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        eventually(lambda: list(directory.glob("metaqore-*")) and when(directory), every_s=0.01)
        os.killpg(started.pid, number)  # as a terminal does
        eventually(lambda: "ended by" in shown.read_text())
        os.killpg(started.pid, signal.SIGINT)  # a second one changes nothing
        assert started.wait(60) == 128 + number, shown.read_text()
        assert shown.read_text().count(f"ended by {number.name}: ") == 1
        assert "Traceback" not in shown.read_text()
        assert list(directory.iterdir()) == [shown]
        assert not running_in(directory)
    finally:
        for pid in running_in(directory):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        started.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_mesh_that_starts_in_the_background(directory, number):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("METAQORE_")}
    run_dir = directory / "metaqore-run"
    with (directory / "shown").open("wb") as output:
        started = subprocess.Popen(
            [*HEEDING_SIGNALS, METAQORE, "up", "--detach", "--free-ports"],
            env={**inherited, "TMPDIR": str(directory), "METAQORE_RUN_DIR": str(run_dir)},
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: while_its_mesh_starts(directory), every_s=0.01)
        started.send_signal(number)
        assert started.wait(60) == 128 + number
        assert not running_in(directory)
        assert "Traceback" not in (directory / "shown").read_text()
    finally:
        for pid in running_in(directory):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        started.wait()


def running_in(directory):
    """The processes that were started for `directory`: their arguments or variables name it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(directory) in (process / "environ").read_bytes() + (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found
