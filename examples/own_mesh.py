"""A mesh that lives as long as an example does, also where a signal ends the example."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from rich.console import Console

METAQORE = Path(sys.executable).with_name("metaqore")


class Ended(SystemExit):
    """A signal ends the example, with the exit status that shells expect."""


class _Signals:
    """Ctrl-C, `kill` and a closed terminal: noted at any time, raised once, and only while the mesh is used.

    While the mesh is stopped they change nothing: it would be left behind.
    """

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self._raises = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                signal.signal(number, self._taken)

    def _taken(self, number: int, _: FrameType | None) -> None:
        self.first = self.first or signal.Signals(number)
        self._end()

    def _end(self) -> None:
        if self._raises and self.first:
            self._raises = False
            raise Ended(128 + self.first)

    @contextmanager
    def raised(self) -> Iterator[None]:
        """The block is ended by the first signal, also by one from before it."""
        try:
            self._raises = True
            self._end()
            yield
        finally:
            self._raises = False


@contextmanager
def own_mesh(screen: Console) -> Iterator[Path]:
    """A mesh on free ports in a directory of its own, for as long as the block runs; the directory."""
    signals = _Signals()
    with tempfile.TemporaryDirectory(prefix="metaqore-") as directory:
        os.environ["METAQORE_RUN_DIR"] = directory
        # A session of its own: Ctrl-C reaches this process alone, which then stops the mesh in order.
        up = subprocess.Popen([METAQORE, "up", "--detach", "--free-ports"], start_new_session=True)
        try:
            with signals.raised():
                if status := up.wait():
                    sys.exit(status)  # it told why
                yield Path(directory)
        finally:
            with suppress(OSError):  # the terminal may be gone
                screen.print(f"[dim]{_why(signals)}finishing what runs, sealing the records, stopping ...[/]")
            if up.poll() is None:
                up.terminate()  # it stops what it has begun
                up.wait()
            subprocess.run([METAQORE, "down"], check=False, capture_output=True, start_new_session=True)
    if signals.first:  # it came when the block had ended
        raise Ended(128 + signals.first)


def _why(signals: _Signals) -> str:
    return f"ended by {signals.first.name}: " if signals.first else ""
