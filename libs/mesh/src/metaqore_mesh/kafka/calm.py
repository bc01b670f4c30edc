"""A client that tells the same again and again, several times a second, is told apart from its first word."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 60.0


class Seldom(logging.Filter):
    """Lets the same line of a logger pass once in `every_s`, whatever is filled into it."""

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._next: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line passes. There are as many as the library has log calls."""
        now, line = self._clock(), (record.name, record.msg)
        if now < self._next.get(line, 0.0):
            return False
        self._next[line] = now + self._every_s
        return True


_SELDOM: Final = Seldom()


def calm_aiokafka() -> None:
    """While the broker is away each of its clients logs an error for each attempt; the probe tells of that already."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "aiokafka":
            logging.getLogger(name).addFilter(_SELDOM)  # adding it again changes nothing
