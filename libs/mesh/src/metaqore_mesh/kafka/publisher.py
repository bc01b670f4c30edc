"""Publishing: one record at a time to the caller, batches on the wire, and a producer that is replaced when it breaks.

The producer is aiokafka's own, not FastStream's wrapper: that one decodes headers to text, drops null values and
repeated names, and costs several times as much.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from zlib import crc32

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.batching import Batch, batches_of
from metaqore_mesh.kafka.connection import client_options
from metaqore_mesh.kafka.deadlines import Deadlines
from metaqore_mesh.kafka.errors import BrokerUnavailable, RecordTooLarge
from metaqore_mesh.kafka.metrics import PUBLISHED, RESTARTS
from metaqore_mesh.kafka.producer_end import close, fail_all, is_broken

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from aiokafka.structs import RecordMetadata

    from metaqore_mesh.kafka.probe import BrokerProbe
    from metaqore_mesh.kafka.records import Headers, Outgoing
    from metaqore_mesh.settings import KafkaSettings

log = structlog.get_logger(__name__)

DELIVERY_TIMEOUT_S = 10.0
MAX_BATCH_BYTES = 262_144
"""Below what a topic takes, which is a megabyte unless its keeper says otherwise."""
MAX_REQUEST_BYTES = 2 * 1_048_576
_ACKED = PUBLISHED.labels(outcome="acked")
_FAILED = PUBLISHED.labels(outcome="failed")


@dataclass(frozen=True, slots=True)
class Published:
    """Where an acked record lies."""

    topic: str
    partition: int
    offset: int


class Publisher:
    """Sends records with acks=all; idempotent where the settings say that the broker can.

    - `publish` returns once the broker acked. It tries again, on a new producer where the old one broke, until the
      deadline; then it raises `BrokerUnavailable`. A record may then be there once, twice or not at all.
    - `send` returns with a future of the ack. It does not try again beyond what the producer does itself.
    - `publish_all` sends many records of one topic at a small part of the price of as many `send`s.
    - Records of one key keep their order while none fails.
    - No more than `max_unacked_records` are held; a caller beyond waits for room, at most until the deadline.
      Those of `publish_all` are not counted: whoever calls it waits for all of them.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        client_id: str,
        probe: BrokerProbe,
        delivery_timeout_s: float = DELIVERY_TIMEOUT_S,
        linger_ms: int = 0,
        max_unacked_records: int = 10_000,
    ) -> None:
        self._settings = settings
        self._client_id = client_id
        self._probe = probe
        self._timeout_s = delivery_timeout_s
        self._linger_ms = linger_ms
        self._room = asyncio.Semaphore(max_unacked_records)
        self._deadlines = Deadlines(delivery_timeout_s)
        self._backoff = Backoff(most_s=2.0)
        self._producer: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._ahead: asyncio.Task[None] | None = None
        if settings.embedded:
            probe.on_loss(self._abandon)

    @property
    def connected(self) -> bool:
        """Whether there is a producer that has not broken."""
        return self._producer is not None

    async def start(self) -> None:
        """Begin to connect; does not wait for a broker that is not there."""
        self._connect_soon()

    async def stop(self) -> None:
        """Send what is held, wait for its acks, close. Sends fail from now on."""
        self._stopped = True
        async with self._making:
            producer, self._producer = self._producer, None
            if producer:
                await close(producer, self._timeout_s)
        if self._ahead:
            self._ahead.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> Published:
        """Send one record and wait for its ack. Raises `BrokerUnavailable`, `RecordTooLarge`."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await self._attempt(topic, key, value, headers, began)
        except BrokerUnavailable:
            left_s = began + self._timeout_s - clock()
            if self._stopped or left_s <= 0:
                raise
        return await self._insist(topic, key, value, headers, left_s)

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> asyncio.Future[Published]:
        """Hand one record to the producer. The future holds where it lies, or `BrokerUnavailable`.

        Raises `BrokerUnavailable` where there is no room or no producer within the deadline, `RecordTooLarge`.
        """
        producer, acked = await self._hand_over(topic, key, value, headers, asyncio.get_running_loop().time())
        result: asyncio.Future[Published] = asyncio.get_running_loop().create_future()

        def settle(ack: asyncio.Future[RecordMetadata]) -> None:
            self._done(ack)
            error = asyncio.CancelledError() if ack.cancelled() else ack.exception()
            failure = self._failed(producer, error) if error else None
            if result.done():
                return
            if failure:
                result.set_exception(failure)
            else:
                result.set_result(_published(ack.result()))

        acked.add_done_callback(settle)
        return result

    async def publish_all(
        self, topic: str, records: Sequence[Outgoing]
    ) -> list[BrokerUnavailable | RecordTooLarge | None]:
        """Send `records` in order and wait for their acks. For each: None, or why it was not acked.

        It does not try again beyond what the producer does itself.
        """
        failures: list[BrokerUnavailable | RecordTooLarge | None] = [_too_large()] * len(records)
        ends = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(ends):
                producer = self._producer or await self._connected_producer()
        except TimeoutError:
            return [BrokerUnavailable("There is no connection to the broker.")] * len(records)
        except BrokerUnavailable as error:
            return [error] * len(records)
        try:
            partitions = list(await producer.partitions_for(topic))
            place = partial(partition_of, partitions=partitions, available=partitions)
            batches = batches_of(
                records, new_builder=producer.create_batch, partition=place, largest_bytes=MAX_REQUEST_BYTES
            )
        except (KafkaError, OSError) as error:
            return [self._failed(producer, error)] * len(records)
        for batch, cause in zip(batches, await _sent(producer, topic, batches, ends), strict=True):
            together = len(batch.indexes) > 1
            failure = None
            if cause is None:
                _ACKED.inc(len(batch.indexes))
            elif not (together and isinstance(cause, MessageSizeTooLargeError)):
                failure = self._failed(producer, cause)
            for index in batch.indexes:
                failures[index] = failure
                if cause is not None and failure is None:  # more than the topic takes, but by itself it may go
                    failures[index] = await self._published_alone(topic, records[index])
        return failures

    async def _published_alone(self, topic: str, record: Outgoing) -> BrokerUnavailable | RecordTooLarge | None:
        try:
            await self.publish(topic, *record)
        except (BrokerUnavailable, RecordTooLarge) as error:
            return error
        return None

    async def flush(self) -> None:
        """Wait until everything sent so far is acked or has failed."""
        if self._producer:
            await self._producer.flush()

    async def _insist(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, timeout_s: float
    ) -> Published:
        """Try again and again, for `timeout_s`."""
        attempt = 0
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    attempt += 1
                    await asyncio.sleep(self._backoff.delay_s(attempt))
                    with contextlib.suppress(BrokerUnavailable):
                        return await self._attempt(topic, key, value, headers, asyncio.get_running_loop().time())
        except TimeoutError:
            raise BrokerUnavailable(f"The broker did not take the record within {self._timeout_s:g} s.") from None

    async def _attempt(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, began: float
    ) -> Published:
        producer, acked = await self._hand_over(topic, key, value, headers, began)
        try:
            return _published(await acked)
        except (KafkaError, OSError) as error:
            raise self._failed(producer, error) from error
        finally:
            self._done(acked)

    def _done(self, acked: asyncio.Future[RecordMetadata]) -> None:
        self._deadlines.forget(acked)
        self._room.release()

    async def _hand_over(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, began: float
    ) -> tuple[AIOKafkaProducer, asyncio.Future[RecordMetadata]]:
        """Put the record into the producer's buffer; it takes up room until the caller gives that back."""
        producer = self._producer
        if producer is None or self._room.locked():
            producer = await self._admitted()
        else:
            await self._room.acquire()
        try:
            # A record needs a key or a value, and a null value without a key means nothing.
            body = b"" if value is None and key is None else value
            acked = await producer.send(topic, body, key, headers=list(headers))
        except (KafkaError, OSError) as error:
            self._room.release()
            raise self._failed(producer, error) from error
        except BaseException:
            self._room.release()
            raise
        self._deadlines.watch(acked, began)
        return producer, acked

    async def _admitted(self) -> AIOKafkaProducer:
        """Wait for a producer and for room."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._room.acquire()
                try:
                    return await self._connected_producer()
                except BaseException:
                    self._room.release()
                    raise
        except TimeoutError:
            raise BrokerUnavailable("Too many records wait for the broker: slow down and try again.") from None

    def _failed(self, producer: AIOKafkaProducer, error: BaseException) -> BrokerUnavailable | RecordTooLarge:
        """What `error` means to a caller. A producer that it broke is replaced."""
        _FAILED.inc()
        if isinstance(error, MessageSizeTooLargeError):
            return _too_large()
        if is_broken(producer) and self._producer is producer:
            # aiokafka issue 1017: after OutOfOrderSequenceNumber an idempotent producer never sends again.
            log.warning("kafka.producer_replaced", client=self._client_id, error=type(error).__name__)
            RESTARTS.labels(client=self._client_id).inc()
            self._replace()
        return BrokerUnavailable(f"The broker did not take the record: {type(error).__name__}.")

    def _abandon(self) -> None:
        """Drop the producer and fail what it holds, before it can reach the broker's successor.

        The embedded broker takes records for a topic that it has not made yet, and hides them when it then makes it.
        A new producer asks for the topic first.
        """
        if self._producer:
            fail_all(self._producer, KafkaConnectionError("the connection was lost"))
            self._replace()

    def _replace(self) -> None:
        if self._producer:
            self._run(close(self._producer, 1.0))
            self._producer = None
        self._connect_soon()

    def _connect_soon(self) -> None:
        if not self._stopped and (self._ahead is None or self._ahead.done()):
            self._ahead = self._run(self._connect_ahead())

    def _run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _connect_ahead(self) -> None:
        attempt = 0
        while not (self._producer or self._stopped):
            with contextlib.suppress(BrokerUnavailable):
                await self._connected_producer()
                return
            attempt += 1
            await asyncio.sleep(self._backoff.delay_s(attempt))

    async def _connected_producer(self) -> AIOKafkaProducer:
        await self._probe.wait_connected()
        async with self._making:
            if self._stopped:
                raise BrokerUnavailable("The publisher is stopped.")
            if not self._producer:
                self._producer = await self._new_producer()
            return self._producer

    async def _new_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **client_options(self._settings, self._client_id)
            # So long for room in its buffer, and so long for an answer.
            | {"request_timeout_ms": int(self._timeout_s * 500)},
            acks="all",
            enable_idempotence=self._settings.idempotent,
            linger_ms=self._linger_ms,
            max_batch_size=MAX_BATCH_BYTES,
            partitioner=partition_of,
            max_request_size=MAX_REQUEST_BYTES,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.start()
        except (KafkaError, OSError) as error:
            await close(producer, 1.0)
            raise BrokerUnavailable("The broker cannot be reached.") from error
        except BaseException:
            await close(producer, 1.0)
            raise
        return producer


def partition_of(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """One key, one partition, by CRC-32; without a key any. aiokafka's murmur2 is in Python: ten times the time.

    Nothing reads where another producer would have put a key: only that one key has one place.
    """
    if key is None:
        return random.choice(available or partitions)  # noqa: S311 - spreads load, keeps no secret
    return partitions[crc32(key) % len(partitions)]


async def _sent(
    producer: AIOKafkaProducer, topic: str, batches: Sequence[Batch], ends: float
) -> list[BaseException | None]:
    """For each batch None once it is acked, or why it is not. `ends` is on the loop's clock."""
    acks: list[asyncio.Future[RecordMetadata]] = []
    refused: BaseException | None = None
    try:
        try:
            for batch in batches:
                ack = await producer.send_batch(batch.builder, topic, partition=batch.partition)
                acks.append(ack)  # one by one: those before one that fails are on their way
        except (KafkaError, OSError) as error:
            refused = error
        if acks:
            await asyncio.wait(acks, timeout=ends - asyncio.get_running_loop().time())
    finally:
        for ack in acks:
            ack.cancel()  # of no effect on one that is done
    ended: list[BaseException | None] = [KafkaTimeoutError() if ack.cancelled() else ack.exception() for ack in acks]
    return ended + [refused] * (len(batches) - len(acks))


def _too_large() -> RecordTooLarge:
    return RecordTooLarge("The record is larger than the broker takes: send a smaller one.")


def _published(metadata: RecordMetadata) -> Published:
    _ACKED.inc()
    return Published(metadata.topic, metadata.partition, metadata.offset)
