"""Waiting for what cannot be taken back, through a cancellation."""

from __future__ import annotations

import asyncio
from typing import TypeVar

_T = TypeVar("_T")


async def settled(pending: asyncio.Future[_T]) -> _T:
    """The result of `pending`, waited for even when the waiting task is cancelled; then the cancellation goes on."""
    cancelled: asyncio.CancelledError | None = None
    while not pending.done():
        try:
            await asyncio.shield(pending)
        except asyncio.CancelledError as error:
            cancelled = error
        except Exception:  # noqa: BLE001, S110 - `result` raises it below, after a cancellation
            pass
    if cancelled is not None:
        raise cancelled
    return pending.result()
