"""Notices that a client left while its request is served."""

from __future__ import annotations

import asyncio
from typing import Final

from metaqore_ai_gateway.entrypoints.http_request import Receive

GRACE_S: Final = 0.25
"""A request that is answered sooner is not watched at all: that is most, and watching costs a task."""


class Departure:
    """Cancels the task in which it was made once the client has left, or once `timeout_s` is over.

    Call `close` before the last part of the answer: from then on the server calls every client departed.
    """

    __slots__ = ("_receive", "_serving", "_timeout_s", "_timer", "_watching", "happened")

    def __init__(self, receive: Receive, timeout_s: float) -> None:
        self.happened = False
        self._receive = receive
        self._timeout_s = timeout_s
        self._serving = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(GRACE_S, self._begin)

    def close(self) -> None:
        """Watch no longer."""
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None  # what was cancelled keeps its frames, and by them this: a ring around the request

    def _begin(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            pass  # it reads so slowly that its task's time is long over
        self.happened = True
        if self._serving is not None:
            self._serving.cancel()
