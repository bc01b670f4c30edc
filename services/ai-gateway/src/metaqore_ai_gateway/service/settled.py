"""Waiting for what cannot be taken back, through a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

_T = TypeVar("_T")


async def settled(pending: asyncio.Future[_T], then: Callable[[_T], None]) -> _T:
    """The result of `pending`, waited for even when the waiting task is cancelled.

    `then` is told the result first; only then the cancellation goes on. Where `pending` fails, its error is raised.
    """
    cancelled: asyncio.CancelledError | None = None
    while not pending.done():
        # Not `pending` itself: cancelling a task cancels the future that it waits on. Half the price of `shield`.
        waiter = pending.get_loop().create_future()
        pending.add_done_callback(partial(_wake, waiter))
        try:
            await waiter
        except asyncio.CancelledError as error:
            cancelled = error
    result = pending.result()
    then(result)
    if cancelled is not None:
        raise cancelled
    return result


def _wake(waiter: asyncio.Future[None], _: object) -> None:
    if not waiter.done():
        waiter.set_result(None)
