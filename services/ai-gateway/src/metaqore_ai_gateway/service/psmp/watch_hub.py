"""Where what happens meets those of this process who watch it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import Counter, Gauge

from metaqore_ai_gateway.service.psmp.relayed import Relayed
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

MOST_WAITING: Final = 2_000
MOST_WAITING_BYTES: Final = 16 * 1024 * 1024
"""So much may wait for one watcher: who is further behind reads the past instead."""
MOST_WATCHERS: Final = 1_000
"""In all organizations. One alone has half of them at most, so that it shuts no other out."""
BEGIN_S: Final = 10.0
"""How long a watcher waits until events are followed, where nobody watched before."""

_WATCHERS: Final = Gauge("metaqore_psmp_watchers", "Those who watch what happens, through any door.")
_SLOW: Final = Counter("metaqore_psmp_slow_watchers_total", "Watchers that were let go because they did not keep up.")


class Watcher:
    """Who watches, and what waits for it."""

    def __init__(self, organization: str, wants: Callable[[Relayed], bool]) -> None:
        self.organization = organization
        self._wants = wants
        self._waiting: deque[Relayed] = deque()
        self._waiting_bytes = 0
        self._woken = asyncio.Event()
        self._is_slow = False

    def offer(self, event: Relayed) -> None:
        """Keep the event for it, if it wants it."""
        if self._is_slow or not self._wants(event):
            return
        self._waiting.append(event)
        self._waiting_bytes += len(event.body)
        if len(self._waiting) > MOST_WAITING or self._waiting_bytes > MOST_WAITING_BYTES:
            self._is_slow = True
            self._waiting.clear()
            _SLOW.inc()
        self._woken.set()

    async def take(self) -> Sequence[Relayed]:
        """What waits, at least one event. Raises `watcher_slow`."""
        await self._woken.wait()
        self._woken.clear()
        if self._is_slow:
            raise MetaQoreError(
                "watcher_slow",
                "You do not keep up with what happens. Begin again behind the last event that you have.",
                kind=ErrorKind.EXHAUSTED,
                retryable=True,
            )
        taken = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return taken


class WatchHub:
    """All watchers of this process. Whoever follows the events calls `publish` with each of them, in order.

    Nothing needs to be followed while nobody watches: see `watched` and `begun`.
    """

    def __init__(self, most: int = MOST_WATCHERS) -> None:
        self._most = most
        self._watchers: dict[str, set[Watcher]] = {}
        self._count = 0
        self._watched = asyncio.Event()
        self._following = asyncio.Event()

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches."""
        return self._watched.is_set()

    async def watched(self) -> None:
        """Return once somebody watches."""
        await self._watched.wait()

    def begun(self) -> None:
        """From now on every event is published that is committed, and so are those of before that come."""
        self._following.set()

    def ended(self) -> None:
        """Nobody watched, so events are followed no more."""
        self._following.clear()

    def publish(self, events: Sequence[Relayed]) -> None:
        """Offer the events to whom they concern."""
        for event in events:
            for watcher in self._watchers.get(event.organization, ()):
                watcher.offer(event)

    async def join(self, watcher: Watcher) -> None:
        """Watch from now on; call `leave` at the end. Raises `too_many_watchers` or `database_unavailable`."""
        if self._count >= self._most:
            raise _too_many("As many watch as this gateway serves at once. Try again in a moment.")
        if len(self._watchers.get(watcher.organization, ())) >= (self._most + 1) // 2:
            raise _too_many("Your organization has as many watchers as one may have. End some, or try again.")
        self._count += 1
        _WATCHERS.inc()
        self._watchers.setdefault(watcher.organization, set()).add(watcher)
        self._watched.set()
        try:
            async with asyncio.timeout(BEGIN_S):
                await self._following.wait()
        except TimeoutError:
            self.leave(watcher)
            message = "What happens cannot be followed now. Try again."
            raise MetaQoreError("database_unavailable", message, kind=ErrorKind.UNAVAILABLE, retryable=True) from None
        except BaseException:
            self.leave(watcher)
            raise

    def leave(self, watcher: Watcher) -> None:
        """Watch no more."""
        watchers = self._watchers[watcher.organization]
        watchers.remove(watcher)
        if not watchers:
            del self._watchers[watcher.organization]
        self._count -= 1
        _WATCHERS.dec()
        if not self._count:
            self._watched.clear()


def _too_many(message: str) -> MetaQoreError:
    return MetaQoreError("too_many_watchers", message, kind=ErrorKind.EXHAUSTED, retryable=True)
