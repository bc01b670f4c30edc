"""Tells an operator what holds events back: nothing else would show why none is told any more."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import structlog

LONG_S: Final = 10.0
_log = structlog.get_logger()


@dataclass(slots=True)
class HeldBack:
    """What holds a consumer's events back, look by look: one warning for each transaction that stays for long."""

    consumer: str
    warning: str = "psmp.events_held_back"
    _by: str | None = None
    _since_s: float = 0.0
    _told: bool = False

    def look(self, by: str | None) -> None:
        """`by` is the transaction that stays: one that is open, or whose events nobody takes; None where none does."""
        now_s = time.monotonic()
        if by != self._by:
            self._by, self._since_s, self._told = by, now_s, False
        if by is not None and not self._told and now_s - self._since_s >= LONG_S:
            self._told = True
            held_s = round(now_s - self._since_s, 1)
            _log.warning(self.warning, consumer=self.consumer, transaction=by, held_s=held_s)
