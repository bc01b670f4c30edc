"""The way of one partition's records from fetch to effect: handled, tried again, or buried."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeGuard

import structlog

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.errors import PoisonRecord
from metaqore_mesh.kafka.metrics import RECORDS
from metaqore_mesh.kafka.offsets import Offsets
from metaqore_mesh.kafka.records import KafkaRecord, UnreadableRecord

if TYPE_CHECKING:
    from metaqore_mesh.kafka.dead_letters import DeadLetters

log = structlog.get_logger(__name__)

Handler = Callable[[Sequence[KafkaRecord]], Awaitable[Sequence[object] | None]]
"""Handles a batch of one partition, in order, and says how it went.

- None: all of it is done.
- A sequence of the batch's length, one result each, as `asyncio.gather(..., return_exceptions=True)` gives it:
  a `MetaQoreError` that is not retryable (`PoisonRecord` above all) sends its record to the dead letters, any other
  exception has it tried again, anything else means done.
- Raising has the whole batch tried again.

Records may come twice (crash, rebalance): effects must be idempotent. A handler may be cancelled when its partition
is taken away or the consumer stops, after a grace.
"""


_CANCEL_S = 1.0
_UNREADABLE = PoisonRecord("record_unreadable", "Name headers in UTF-8.")


@dataclass(frozen=True, slots=True)
class ConsumerLimits:
    """How much a consumer holds, and how long it waits."""

    #: Records in one call of the handler.
    batch_records: int = 256
    #: Calls of the handler at a time for one partition. 1 keeps the partition's order; more do not.
    batches_in_flight: int = 1
    #: Above this a partition is not fetched, until there is room again. Exceeded by at most one batch.
    partition_records: int = 1024
    partition_bytes: int = 16 * 1024 * 1024
    #: What is in flight may take this long to finish when its partition is revoked.
    revoke_grace_s: float = 3.0
    #: Offsets are committed at most this often.
    commit_interval_s: float = 0.05
    retry: Backoff = field(default_factory=Backoff)


class Lane:
    """The records of one partition that are fetched and not done. Lives as long as the partition is ours."""

    def __init__(
        self,
        *,
        topic: str,
        consumer: str,
        handler: Handler,
        dead_letters: DeadLetters,
        limits: ConsumerLimits,
        progressed: Callable[[], None],
    ) -> None:
        self.offsets = Offsets()
        self.committed: int | None = None
        self.held_records = 0
        self.held_bytes = 0
        self._consumer = consumer
        self._handler = handler
        self._dead_letters = dead_letters
        self._limits = limits
        self._progressed = progressed
        self._waiting: deque[KafkaRecord] = deque()
        self._sizes: dict[int, int] = {}
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._counted = {
            outcome: RECORDS.labels(topic=topic, consumer=consumer, outcome=outcome)
            for outcome in ("done", "dead", "retried")
        }
        self._workers = [asyncio.create_task(self._work()) for _ in range(limits.batches_in_flight)]

    @property
    def full(self) -> bool:
        """No more should be fetched for now."""
        return self.held_records >= self._limits.partition_records or self.held_bytes >= self._limits.partition_bytes

    def put(self, records: Sequence[KafkaRecord]) -> None:
        """Take fetched records, in order. What was taken before is left out."""
        for record in records:
            if self.offsets.take(record.offset):
                self._waiting.append(record)
                size = self._sizes[record.offset] = record.size_bytes
                self.held_records += 1
                self.held_bytes += size
        self._wake.set()

    async def close(self, grace_s: float) -> None:
        """Hand out no more, let what is in flight finish within `grace_s`, then cancel it.

        A handler in the midst of what cannot be taken back may go on for as long as that takes, but is not waited for.
        """
        self._closing.set()
        self._waiting.clear()
        self._wake.set()
        _, late = await asyncio.wait(self._workers, timeout=grace_s)
        for worker in late:
            worker.cancel()
        if late:
            log.warning("kafka.handler_cancelled", consumer=self._consumer, batches=len(late))
            await asyncio.wait(late, timeout=_CANCEL_S)

    async def _work(self) -> None:
        while not self._closing.is_set():
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            count = min(len(self._waiting), self._limits.batch_records)
            await self._deliver([self._waiting.popleft() for _ in range(count)])

    async def _deliver(self, batch: list[KafkaRecord]) -> None:
        attempt = 0
        while left := await self._attempt(batch):
            batch = left
            attempt += 1
            self._counted["retried"].inc(len(batch))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.retry.delay_s(attempt)):
                    await self._closing.wait()
                return  # closing: what is left stays uncommitted and comes again

    async def _attempt(self, batch: list[KafkaRecord]) -> list[KafkaRecord]:
        """What must be tried again, in order."""
        try:
            results = await self._handle(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, no record may be lost over it
            self._explain(batch[0], error)
            return batch
        return await self._settle(batch, results)

    async def _handle(self, batch: list[KafkaRecord]) -> Sequence[object]:
        """One result for each record."""
        readable = [record for record in batch if not isinstance(record, UnreadableRecord)]
        results = await self._handler(readable) if readable else ()
        if results is None:
            results = (None,) * len(readable)
        if len(results) != len(readable):
            raise ValueError(f"{len(results)} results for {len(readable)} records")
        if len(readable) == len(batch):
            return results
        answers = iter(results)
        return [_UNREADABLE if isinstance(record, UnreadableRecord) else next(answers) for record in batch]

    async def _settle(self, batch: list[KafkaRecord], results: Sequence[object]) -> list[KafkaRecord]:
        """Mark what is done, bury what is poison; what must be tried again comes back, in order."""
        left: list[KafkaRecord] = []
        done = dead = 0
        for record, result in zip(batch, results, strict=True):
            if not isinstance(result, BaseException):
                self._finish(record)
                done += 1
            elif is_poison(result) and await self._bury(record, result):
                self._finish(record)
                dead += 1
            else:
                if not left:
                    self._explain(record, result)
                left.append(record)
        self._counted["done"].inc(done)
        self._counted["dead"].inc(dead)
        if done or dead:
            self._progressed()
        return left

    async def _bury(self, record: KafkaRecord, cause: MetaQoreError) -> bool:
        try:
            await self._dead_letters.bury(record, self._consumer, cause)
        except MetaQoreError as error:
            self._explain(record, error)
            return False
        return True

    def _finish(self, record: KafkaRecord) -> None:
        self.offsets.done(record)
        self.held_records -= 1
        self.held_bytes -= self._sizes.pop(record.offset)

    def _explain(self, record: KafkaRecord, error: BaseException) -> None:
        log.warning(
            "kafka.records_retried",
            consumer=self._consumer,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            error=error.code if isinstance(error, MetaQoreError) else type(error).__name__,
            at=_place(error),
        )


def is_poison(error: BaseException) -> TypeGuard[MetaQoreError]:
    """Whether trying again cannot help."""
    return isinstance(error, MetaQoreError) and not error.retryable


def _place(error: BaseException) -> str:
    """Where `error` was raised. Its text is left out: a parser's message may quote the prompt."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
