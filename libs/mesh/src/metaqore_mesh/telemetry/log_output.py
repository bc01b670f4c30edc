"""Where log lines go: whole lines to a file descriptor, those of every day gathered for a moment."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from typing import Final

from prometheus_client import Counter

DROPPED: Final = Counter("metaqore_log_dropped_lines_total", "Lines that standard error did not take.")

GATHER_S: Final = 0.1
GATHER_BYTES: Final = 64 * 1024


class LogOutput:
    """Writes whole lines, in order. The bound logger calls it by the level's name.

    Below warning, lines wait up to `GATHER_S` on the event loop and are written together: a write for each takes the
    process from what it does. A `kill -9` loses those that wait; records are what must not be lost, and are elsewhere.

    Any allocation may run a finalizer, and asyncio's log: so a thread may come back here in the middle of a line.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._lock = threading.RLock()
        self._due = False
        self._writing = False
        self._torn = False
        atexit.register(self.flush)

    def msg(self, line: bytes) -> None:
        """Write now, behind what waits."""
        with self._lock:
            self._waiting.append(line)
            self._write()

    def info(self, line: bytes) -> None:
        """Write in a moment."""
        with self._lock:
            self._waiting.append(line)
            self._waiting_bytes += len(line)
            if self._waiting_bytes >= GATHER_BYTES or not (self._due or self._flush_soon()):
                self._write()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._due = False
            self._write()

    def _flush_soon(self) -> bool:
        """False in a thread that has no event loop."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False
        self._due = True
        loop.call_later(GATHER_S, self.flush)
        return True

    def _write(self) -> None:
        if self._writing:  # whoever writes takes what came meanwhile, too
            return
        self._writing = True
        try:
            while self._waiting:
                lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
                self._put(lines)
        finally:
            self._writing = False

    def _put(self, lines: list[bytes]) -> None:
        told = b"".join([b"\n", *lines] if self._torn else lines)
        left = memoryview(told)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:  # a full disk or a closed pipe must not fail what was only being told of
            DROPPED.inc(min(len(lines), bytes(left).count(b"\n")))
        taken = len(told) - len(left)
        self._torn = told[taken - 1 : taken] != b"\n" if taken else self._torn

    log = debug = info
    warn = warning = error = exception = critical = fatal = msg
