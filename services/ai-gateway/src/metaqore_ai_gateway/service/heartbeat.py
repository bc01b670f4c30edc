"""A sign of life while a stream is silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

_T = TypeVar("_T")


async def beating(stream: AsyncGenerator[_T, None], every_s: float) -> AsyncGenerator[_T | None, None]:
    """The items of `stream`, and None whenever so many seconds went by without one. Closes `stream` at its end."""

    async def following() -> _T:
        return await anext(stream)

    coming: asyncio.Task[_T] | None = None
    try:
        while True:
            coming = coming or asyncio.create_task(following())
            done, _ = await asyncio.wait((coming,), timeout=every_s)
            if not done:
                yield None
                continue
            came, coming = coming, None
            try:
                item = came.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait((coming,))
        await stream.aclose()
