"""Publishing: one record at a time to the caller, batches on the wire, and a producer that is replaced when it breaks.

The producer is aiokafka's own, not FastStream's wrapper: that one decodes headers to text, drops null values and
repeated names, and costs several times as much.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError

from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.connection import client_options
from metaqore_mesh.kafka.errors import BrokerUnavailable, RecordTooLarge
from metaqore_mesh.kafka.metrics import PUBLISHED, RESTARTS

if TYPE_CHECKING:
    from aiokafka.structs import RecordMetadata

    from metaqore_mesh.kafka.probe import BrokerProbe
    from metaqore_mesh.kafka.records import Headers
    from metaqore_mesh.settings import KafkaSettings

log = structlog.get_logger(__name__)

DELIVERY_TIMEOUT_S = 10.0
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
    - `send` returns at once with a future of the ack. It does not try again beyond what the producer does itself.
    - No more than `max_unacked_records` are held; a caller beyond waits for room, at most until the deadline.
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
        self._timeout_s = delivery_timeout_s
        self._linger_ms = linger_ms
        self._room = asyncio.Semaphore(max_unacked_records)
        self._backoff = Backoff(most_s=2.0)
        self._producer: AIOKafkaProducer | None = None
        self._making = asyncio.Lock()
        self._stopped = False
        self._ahead: asyncio.Task[None] | None = None
        self._probe = probe
        if settings.embedded:
            probe.on_loss(self._abandon)

    @property
    def connected(self) -> bool:
        """Whether there is a producer that has not broken."""
        return self._producer is not None

    async def start(self) -> None:
        """Begin to connect; does not wait for a broker that is not there."""
        self._ahead = asyncio.create_task(self._connect_ahead())

    async def stop(self) -> None:
        """Send what is held, wait for its acks, close. Sends fail from now on."""
        self._stopped = True
        if self._ahead:
            self._ahead.cancel()
            await asyncio.wait([self._ahead])
        async with self._making:
            producer, self._producer = self._producer, None
            if producer:
                await _close(producer, self._timeout_s)

    async def publish(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> Published:
        """Send one record and wait for its ack. Raises `BrokerUnavailable`, `RecordTooLarge`."""
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        attempt = 0
        while True:
            try:
                return await (await self.send(topic, key, value, headers))
            except BrokerUnavailable:
                attempt += 1
                delay_s = self._backoff.delay_s(attempt)
                if self._stopped or asyncio.get_running_loop().time() + delay_s >= deadline:
                    raise
                await asyncio.sleep(delay_s)

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> asyncio.Future[Published]:
        """Hand one record to the producer. The future holds where it lies, or `BrokerUnavailable`.

        Records of one key keep their order while none fails. Raises `BrokerUnavailable` where there is no room or
        no producer within the deadline, `RecordTooLarge`.
        """
        producer = self._producer or await self._connected_producer()
        if self._room.locked():
            await self._wait_for_room()
        else:
            await self._room.acquire()
        try:
            # A record needs a key or a value, and a null value without a key means nothing.
            body = b"" if value is None and key is None else value
            acked = await producer.send(topic, body, key, headers=list(headers))
        except BaseException as error:
            self._room.release()
            if isinstance(error, (KafkaError, OSError)):
                raise self._failed(producer, error) from error
            raise
        result: asyncio.Future[Published] = asyncio.get_running_loop().create_future()

        def settle(ack: asyncio.Future[RecordMetadata]) -> None:
            self._room.release()
            error = None if ack.cancelled() else ack.exception()
            if result.done():
                return
            if ack.cancelled():
                result.cancel()
            elif error:
                result.set_exception(self._failed(producer, error))
            else:
                metadata = ack.result()
                _ACKED.inc()
                result.set_result(Published(metadata.topic, metadata.partition, metadata.offset))

        acked.add_done_callback(settle)
        return result

    async def flush(self) -> None:
        """Wait until everything sent so far is acked or has failed."""
        if self._producer:
            await self._producer.flush()

    async def _wait_for_room(self) -> None:
        try:
            await asyncio.wait_for(self._room.acquire(), self._timeout_s)
        except TimeoutError:
            raise BrokerUnavailable("Too many records wait for the broker: slow down and try again.") from None

    def _failed(self, producer: AIOKafkaProducer, error: BaseException) -> BrokerUnavailable | RecordTooLarge:
        _FAILED.inc()
        if isinstance(error, MessageSizeTooLargeError):
            return RecordTooLarge("The record is larger than the broker takes: send a smaller one.")
        if _is_broken(producer) and self._producer is producer:
            # aiokafka issue 1017: after OutOfOrderSequenceNumber an idempotent producer never sends again.
            log.warning("kafka.producer_replaced", client=self._client_id, error=type(error).__name__)
            RESTARTS.labels(client=self._client_id).inc()
            self._producer = None
            self._closing = asyncio.create_task(_close(producer, 1.0))
        return BrokerUnavailable(f"The broker did not take the record: {type(error).__name__}.")

    def _abandon(self) -> None:
        """Drop the producer and fail what it holds, before it can reach the broker's successor.

        The embedded broker takes records for a topic that it has not made yet, and hides them when it then makes it.
        A new producer asks for the topic first.
        """
        producer, self._producer = self._producer, None
        if producer:
            error = KafkaConnectionError("the connection was lost")
            producer._message_accumulator.fail_all(error)  # noqa: SLF001 - stop() would wait for the dead broker
            producer._sender.sender_task.cancel()  # noqa: SLF001 - see above
            self._closing = asyncio.create_task(_close(producer, 1.0))
            self._ahead = asyncio.create_task(self._connect_ahead())

    async def _connect_ahead(self) -> None:
        attempt = 0
        while not self._producer:
            with contextlib.suppress(BrokerUnavailable):
                await self._connected_producer()
                return
            attempt += 1
            await asyncio.sleep(self._backoff.delay_s(attempt))

    async def _connected_producer(self) -> AIOKafkaProducer:
        async with self._making:
            if self._stopped:
                raise BrokerUnavailable("The publisher is stopped.")
            if self._producer:
                return self._producer
            try:
                await asyncio.wait_for(self._probe.wait_connected(), self._timeout_s)
            except TimeoutError:
                raise BrokerUnavailable("The broker cannot be reached.") from None
            producer = AIOKafkaProducer(
                **client_options(self._settings, self._client_id),
                acks="all",
                enable_idempotence=self._settings.idempotent,
                linger_ms=self._linger_ms,
                max_batch_size=65_536,
                max_request_size=MAX_REQUEST_BYTES,
            )
            try:
                await asyncio.wait_for(producer.start(), self._timeout_s)
            except (KafkaError, OSError) as error:
                await _close(producer, 1.0)
                raise BrokerUnavailable("The broker cannot be reached.") from error
            except BaseException:
                await _close(producer, 1.0)
                raise
            self._producer = producer
            return producer


def _is_broken(producer: AIOKafkaProducer) -> bool:
    sender = producer._sender.sender_task  # noqa: SLF001 - aiokafka tells of its death in no other way
    return producer._closed or sender is None or sender.done()  # noqa: SLF001 - see above


async def _close(producer: AIOKafkaProducer, timeout_s: float) -> None:
    with contextlib.suppress(KafkaError, OSError, TimeoutError):
        await asyncio.wait_for(producer.stop(), timeout_s)
