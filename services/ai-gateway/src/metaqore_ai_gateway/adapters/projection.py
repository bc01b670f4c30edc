"""The projection of audit records into the table of tasks, off the path of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

import asyncpg
import structlog

from metaqore_ai_gateway.adapters.projection_sql import FOLD
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.database.errors import database_errors
from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.spool.errors import SpoolTrimmed
from metaqore_mesh.spool.groups import StoredGroup

PROJECTED: Final = "projected"
"""The holder that keeps the spool's groups until they are folded."""

GATHER_S: Final = 0.1
"""Groups that come within this time are folded together: a task is listed so much later, at a fraction of the cost."""

_POSITION = "select sequence from task_projection where writer = $1"

_T = TypeVar("_T")

_log = structlog.get_logger()


class GroupReader(Protocol):
    """One reader's place in the spool."""

    async def next_groups(self) -> list[StoredGroup]:
        """The next durable groups, one at least; waits for the first."""
        ...


class ProjectedSpool(Protocol):
    """What the projection needs of the spool."""

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


class TaskProjection:
    """Folds every durable group once and in order; what is folded, it releases for trimming.

    Position, rows and their events commit together. While the database is away it waits, and catches up after.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        spool: ProjectedSpool,
        *,
        gather_s: float = GATHER_S,
        folded: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._pool = pool
        self._spool = spool
        self._gather_s = gather_s
        self._folded = folded
        self._backoff = Backoff(first_s=0.1, most_s=5.0)

    async def run(self) -> None:
        """Fold until cancelled. Raises `SpoolFailed` or `SpoolClosed` when no more groups will come."""
        position = await self._insist(self._position)
        self._release(position)
        reader = self._spool.reader(self._start(position))
        while True:
            groups = await self._next(reader)
            await self._insist(partial(self._fold, groups))
            self._release(groups[-1].last_sequence)
            await asyncio.sleep(self._gather_s)

    async def _next(self, reader: GroupReader) -> list[StoredGroup]:
        try:
            return await reader.next_groups()
        except SpoolTrimmed:
            _log.exception("tasks.projection_gap", writer=self._spool.writer)
            raise

    def _start(self, position: int) -> int:
        """The next record to fold. What the spool trimmed before that is in the log, and will not be in the table."""
        first = self._spool.first_sequence
        if position + 1 < first:
            _log.warning("tasks.projection_gap", writer=self._spool.writer, folded=position, first_in_spool=first)
        return max(position + 1, first)

    async def _position(self) -> int:
        return int(await self._pool.fetchval(_POSITION, self._spool.writer) or 0)

    async def _fold(self, groups: Sequence[StoredGroup]) -> None:
        last = groups[-1].last_sequence
        await self._pool.execute(FOLD, self._spool.writer, last, [group.value.decode() for group in groups])

    def _release(self, position: int) -> None:
        self._spool.release(PROJECTED, position)
        self._folded(position)

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
                    _log.warning("tasks.projection_delayed", error=error.code)
            await asyncio.sleep(self._backoff.delay_s(attempt))
