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
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._lock = threading.Lock()
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
            if len(self._waiting) > 1 and self._waiting_bytes < GATHER_BYTES:
                return
            if self._waiting_bytes < GATHER_BYTES:
                try:
                    asyncio.get_running_loop().call_later(GATHER_S, self.flush)
                except RuntimeError:  # this thread has no event loop
                    self._write()
            else:
                self._write()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        if not self._waiting:
            return
        left = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:  # a full disk or a closed pipe must not fail what was only being told of
            DROPPED.inc()

    log = debug = info
    warn = warning = error = exception = critical = fatal = msg
