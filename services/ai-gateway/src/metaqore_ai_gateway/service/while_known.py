"""A stream that ends where its watcher may watch no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final, TypeVar

from metaqore_ai_gateway.service.heartbeat import beating

_T = TypeVar("_T")

CHECK_S: Final = 15.0
"""How long a key that was revoked may still be watching, in seconds."""


async def while_known(
    stream: AsyncGenerator[_T, None], check: Callable[[], Awaitable[object]], within_s: float = CHECK_S
) -> AsyncGenerator[_T, None]:
    """The items of `stream`, until `check` raises: it is asked at least every so many seconds. Closes `stream`."""
    now = asyncio.get_running_loop().time
    checked, pause_s = now(), within_s / 2  # two pauses lie between two checks at most: see `beating`
    async with aclosing(beating(stream, pause_s)) as told:
        async for item in told:
            if now() - checked >= pause_s:
                await check()
                checked = now()
            if item is not None:
                yield item
