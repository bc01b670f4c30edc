"""Many small reads as few statements: what is asked while one runs goes together in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from typing import Final, Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

LARGEST: Final = 500
"""Keys in one read."""


class BatchedReads(Generic[KeyT, ValueT]):
    """Reads what is found under keys. Each read begins after it was asked for, so it sees all that was written before.

    Who asks for a key that others ask for, too, gets the same answer. A read that fails fails for all in it.
    """

    def __init__(self, name: str, read: Callable[[Collection[KeyT]], Awaitable[Mapping[KeyT, ValueT]]]) -> None:
        self._name = name
        self._read = read
        self._asked: dict[KeyT, asyncio.Future[ValueT | None]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def get(self, key: KeyT) -> ValueT | None:
        """What is found; None where nothing is. Raises what reading raises."""
        found = self._asked.get(key)
        if found is None:
            found = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._reader is None:
            self._reader = asyncio.create_task(self._drain(), name=f"batched reads of {self._name}")
        return await asyncio.shield(found)

    async def _drain(self) -> None:
        try:
            while self._asked:
                # One turn of the loop, so that what became ready together goes together.
                await asyncio.sleep(0)
                keys = list(self._asked)[:LARGEST]
                await self._answer({key: self._asked.pop(key) for key in keys})
        finally:
            self._reader = None
            for waiting in self._asked.values():
                waiting.cancel()
            self._asked.clear()

    async def _answer(self, asked: Mapping[KeyT, asyncio.Future[ValueT | None]]) -> None:
        try:
            found = await self._read(asked)
        except asyncio.CancelledError:
            for waiting in asked.values():
                waiting.cancel()
            raise
        except Exception as error:  # noqa: BLE001  it reaches whoever asked
            for waiting in asked.values():
                waiting.set_exception(error)
                waiting.exception()  # whoever asked may have gone
            return
        for key, waiting in asked.items():
            waiting.set_result(found.get(key))
