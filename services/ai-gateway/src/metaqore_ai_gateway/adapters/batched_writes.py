"""Many small writes as few statements: what comes while one runs goes together in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import structlog

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.database.errors import database_errors

ItemT = TypeVar("ItemT")

_FIRST_DELAY_S: Final = 0.05
_LONGEST_DELAY_S: Final = 2.0
_log = structlog.get_logger()


class BatchedWrites(Generic[ItemT]):
    """`put` returns when its item is committed, `add` before.

    The write must be idempotent: an outage repeats it until it is done.
    One that fails for another reason is tried item by item, so that it takes no other down. A batch is gathered for
    `gather_s` seconds, and for as long as the one before it takes.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[ItemT]], Awaitable[None]],
        *,
        gather_s: float = 0.0,
        largest: int = 500,
    ) -> None:
        self._name = name
        self._write = write
        self._gather_s = gather_s
        self._largest = largest
        self._pending: list[tuple[ItemT, asyncio.Future[None] | None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._writer: asyncio.Task[None] | None = None

    def put(self, item: ItemT) -> asyncio.Future[None]:
        """A future that is done when `item` is committed."""
        # Kept: to ask for the running loop is a system call (getpid) before Python 3.12.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        done = loop.create_future()
        self._append(item, done)
        return done

    def add(self, item: ItemT) -> None:
        """Have `item` committed; nobody waits for it. Should that fail for good, the log says so."""
        self._append(item, None)

    async def settled(self) -> None:
        """Return once everything so far is committed, or has failed for good."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def _append(self, item: ItemT, done: asyncio.Future[None] | None) -> None:
        self._pending.append((item, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._drain(), name=f"batched writes of {self._name}")

    async def _drain(self) -> None:
        try:
            while self._pending:
                await asyncio.sleep(self._gather_s)
                batch, self._pending = self._pending[: self._largest], self._pending[self._largest :]
                await self._commit(batch)
        finally:
            self._writer = None

    async def _commit(self, batch: list[tuple[ItemT, asyncio.Future[None] | None]]) -> None:
        try:
            await self._write_surely([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001  it reaches whoever waits for the item
            if len(batch) == 1:
                self._fail(batch[0][1], error)
                return
            for one in batch:
                await self._commit([one])
            return
        for _, done in batch:
            if done is not None and not done.done():
                done.set_result(None)

    async def _write_surely(self, items: Sequence[ItemT]) -> None:
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                with database_errors():
                    return await self._write(items)
            except MetaQoreError as error:
                if not error.retryable:
                    raise
                _log.warning("database.write_delayed", write=self._name, items=len(items), error=error.code)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_DELAY_S)

    def _fail(self, done: asyncio.Future[None] | None, error: Exception) -> None:
        if done is None:
            _log.error("database.write_failed", write=self._name, error=type(error).__name__)
        elif not done.done():
            done.set_exception(error)
