"""Deadlines for many futures with one timer: a timer for each would double what a record costs."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka.errors import KafkaTimeoutError


class Deadlines:
    """Fails futures with `KafkaTimeoutError` when they are not done in time, give or take `grain_s`.

    aiokafka's idempotent producer never lets a record expire: it would be waited for until the broker is back.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._grain_s = min(1.0, timeout_s / 4)
        self._ends: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, future: asyncio.Future[Any], began: float) -> None:
        """Fail `future` once the timeout has passed since `began` (of the loop's clock). Call `forget` in the end."""
        self._ends[future] = began + self._timeout_s
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._grain_s, self._sweep)

    def forget(self, future: asyncio.Future[Any]) -> None:
        """It is done, or nobody waits for it any more."""
        self._ends.pop(future, None)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for future, end in self._ends.items():
            if end <= now and not future.done():
                future.set_exception(KafkaTimeoutError())
        self._timer = loop.call_later(self._grain_s, self._sweep) if self._ends else None
