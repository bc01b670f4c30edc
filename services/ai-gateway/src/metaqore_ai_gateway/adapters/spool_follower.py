"""Following the spool: every durable group is handled, in order and from where it was left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

import asyncpg
import structlog

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.database.errors import database_errors
from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.spool.groups import StoredGroup

GATHER_S: Final = 0.1
"""Groups that come within this time are handled together: somewhat later, at a fraction of the cost."""

_POSITION: Final = "select sequence from spool_positions where writer = $1 and holder = $2"
SAVE_POSITION: Final = """
insert into spool_positions (writer, holder, sequence) values ($1, $2, $3)
on conflict (writer, holder) do update set sequence = greatest(spool_positions.sequence, excluded.sequence)
"""

_T = TypeVar("_T")

_log = structlog.get_logger()


class GroupReader(Protocol):
    """One reader's place in the spool."""

    async def next_groups(self) -> list[StoredGroup]:
        """The next durable groups, one at least; waits for the first."""
        ...


class FollowedSpool(Protocol):
    """What a follower needs of the spool."""

    @property
    def writer(self) -> str:
        """Whose records these are."""
        ...

    @property
    def first_sequence(self) -> int:
        """The oldest record that can be read."""
        ...

    def reader(self, from_sequence: int) -> GroupReader:
        """A place to read from."""
        ...

    def release(self, holder: str, through_sequence: int) -> None:
        """`holder` needs nothing up to `through_sequence` any more."""
        ...


Handle = Callable[[Sequence[StoredGroup]], Awaitable[None]]
"""Handles groups, all of them or none; raises a retryable `MetaQoreError` where it must be given them again.

After a crash it may be given again what it has handled.
"""


class SpoolFollower:
    """Gives every group to `handle`, and releases what is handled for trimming, once its position is saved.

    While the database or whatever `handle` needs is away it waits, and catches up after. `saves` is false for a
    handler that saves the position itself, with its effect.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        spool: FollowedSpool,
        holder: str,
        handle: Handle,
        *,
        saves: bool = True,
        gather_s: float = GATHER_S,
        handled: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._pool = pool
        self._spool = spool
        self._holder = holder
        self._handle = handle
        self._saves = saves
        self._gather_s = gather_s
        self._handled = handled
        self._backoff = Backoff(first_s=0.1, most_s=5.0)

    async def run(self) -> None:
        """Follow until cancelled. Raises `SpoolFailed` or `SpoolClosed` when no more groups will come."""
        position = await self._insist(self._position)
        self._done(position)
        reader = self._spool.reader(self._start(position))
        while True:
            groups = await reader.next_groups()
            last = groups[-1].last_sequence
            await self._insist(partial(self._handle, groups))
            if self._saves:
                await self._insist(partial(self._save, last))
            self._done(last)
            await asyncio.sleep(self._gather_s)

    def _start(self, position: int) -> int:
        """The next record to handle. What the spool trimmed before that is in the log alone."""
        first = self._spool.first_sequence
        if position + 1 < first:
            _log.warning(
                "spool.follower_gap", holder=self._holder, writer=self._spool.writer, handled=position, first_kept=first
            )
        return max(position + 1, first)

    async def _position(self) -> int:
        return int(await self._pool.fetchval(_POSITION, self._spool.writer, self._holder) or 0)

    async def _save(self, sequence: int) -> None:
        await self._pool.execute(SAVE_POSITION, self._spool.writer, self._holder, sequence)

    def _done(self, position: int) -> None:
        self._spool.release(self._holder, position)
        self._handled(position)

    async def _insist(self, step: Callable[[], Awaitable[_T]]) -> _T:
        attempt = 0
        while True:
            try:
                with database_errors():
                    return await step()
            except MetaQoreError as error:
                if not error.retryable:
                    raise
                attempt += 1
                if attempt == 1:
                    _log.warning("spool.follower_delayed", holder=self._holder, error=error.code)
            await asyncio.sleep(self._backoff.delay_s(attempt))
