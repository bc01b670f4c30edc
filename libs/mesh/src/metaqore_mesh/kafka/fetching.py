"""A FastStream batch subscriber that passes every record on raw, and fetches only where there is room.

FastStream's own parser decodes headers and values for the whole batch at once: one null header or one bad JSON and
none of the batch is handled, while the next success commits past it. Here nothing is decoded, so nothing can fail.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka import TopicPartition as Assigned
from faststream.kafka.message import FAKE_CONSUMER, KafkaMessage

from metaqore_mesh.kafka.connection import client_options
from metaqore_mesh.kafka.records import KafkaRecord, UnreadableRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka.abc import ConsumerRebalanceListener
    from faststream.kafka.subscriber.usecase import BatchSubscriber
    from faststream.message import StreamMessage

    from metaqore_mesh.settings import KafkaSettings

    Raw: TypeAlias = ConsumerRecord[bytes, bytes]

POLL_S = 0.2
_CAREFUL_WAIT_MS = 100
_STALLED_POLL_S = 0.02
_LEAVE_TIMEOUT_S = 2.0
_SESSION_MS = 10_000
_EMBEDDED_SESSION_MS = 3_000  # it lets a group wait for half of this before it begins
_NOWHERE = TopicPartition("", 0)


class Intake(Protocol):
    """Where fetched records go."""

    def room(self) -> Sequence[TopicPartition] | None:
        """The partitions to take records of; None: all that are assigned."""

    def mark(self) -> None:
        """The client just gave up records. Nothing has run since, so today's assignment is theirs."""

    def take(self, records: Sequence[KafkaRecord]) -> None:
        """The records that `mark` announced. The assignment may have changed since."""

    def broken(self, error: BaseException) -> None:
        """The client raised this; it may not recover by itself."""


class Member(NamedTuple):
    """Who we are to the group: a commit counts only under the generation that assigned its partitions."""

    generation: int
    id: str


class _Unreadable(ConsumerRecord[Any, Any]):  # type: ignore[misc] # aiokafka has no types
    """Stands for a record that the client cannot take apart."""


class FetchingConsumer(AIOKafkaConsumer):  # type: ignore[misc] # aiokafka has no types
    """Fetches of the partitions that have room, and tells the intake about errors that FastStream only logs."""

    def __init__(self, *topics: str, intake: Intake, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._intake = intake
        self._careful = False

    @property
    def member(self) -> Member:
        """This client's membership now."""
        coordinator = self._coordinator
        return Member(coordinator.generation, coordinator.member_id)

    async def commit_as(self, member: Member, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit as `member`, once. Raises `CommitFailedError` where that is no longer us, else `KafkaError`.

        aiokafka's own commit() waits for the coordinator, then commits as whoever we are by then. A member that the
        group has forgotten is nobody, and what nobody commits to an empty group counts: past records that were never
        handled. Here the request is built in the same step as the membership is compared.
        """
        coordinator, assignment = self._coordinator, self._subscription.subscription.assignment
        if self.member != member or assignment is None:
            raise CommitFailedError("the membership has ended")
        wanted = {partition: OffsetAndMetadata(offset, "") for partition, offset in offsets.items()}
        await coordinator._do_commit_offsets(assignment, wanted)  # noqa: SLF001 - see above

    async def getmany(
        self, *_: TopicPartition, timeout_ms: float = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Raw]]:
        """The next records, however long that takes: FastStream sleeps after an empty answer."""
        while True:
            room = self._intake.room()
            stalled = room is not None and not room
            # Asking for a partition that is not ours keeps the membership alive and takes nothing. pause() would
            # throw away what is fetched already.
            partitions = (_NOWHERE,) if stalled else room or ()
            wait_ms = _STALLED_POLL_S * 1000 if stalled else timeout_ms
            try:
                batches = await self._fetched(partitions, wait_ms, max_records)
            except Exception as error:
                self._intake.broken(error)
                raise
            if batches:
                self._intake.mark()
                return batches

    async def _fetched(
        self, partitions: Sequence[TopicPartition], wait_ms: float, max_records: int | None
    ) -> dict[TopicPartition, list[Raw]]:
        """What the client has, past records that it cannot take apart: those it would meet again and again.

        The one such that a sender can make has a header whose name is not UTF-8 (RFC 3629).
        """
        if not self._careful:
            try:
                found: dict[TopicPartition, list[Raw]] = await super().getmany(
                    *partitions, timeout_ms=wait_ms, max_records=max_records
                )
            except UnicodeDecodeError:
                self._careful = True
            else:
                return found
        for partition in partitions or tuple(self.assignment()):
            try:
                found = await super().getmany(partition, timeout_ms=_CAREFUL_WAIT_MS, max_records=1)
            except UnicodeDecodeError:
                self._careful = False
                offset = await self.position(partition)
                self.seek(partition, offset + 1)
                return {partition: [_Unreadable(*partition, offset, 0, 0, None, None, None, -1, -1, ())]}
            if found:
                return found
        return {}

    async def stop(self) -> None:
        """Leave the group and hang up; where the broker does not answer, just hang up."""
        if self._group_id and self._coordinator and self._coordinator.generation == 0:
            # The embedded broker counts generations from 0, which aiokafka takes for none: it would not leave, and
            # the next member would wait until this one's session ends.
            self._coordinator.generation = 1
        stop = asyncio.create_task(super().stop())
        await asyncio.wait({stop}, timeout=_LEAVE_TIMEOUT_S)
        if not stop.done():  # aiokafka gives up halfway
            stop.cancel()
            await asyncio.wait({stop})
            if self._fetcher:
                await self._fetcher.close()
            if self._group_id and self._coordinator:
                self._coordinator._coordination_task.cancel()  # noqa: SLF001 - it waits for the broker
        await self._client.close()


class Subscription:
    """One client's life: connected, fetching into an intake, closed."""

    def __init__(
        self,
        settings: KafkaSettings,
        intake: Intake,
        *,
        client_id: str,
        topics: Sequence[str] = (),
        partitions: Sequence[TopicPartition] = (),
        group: str | None = None,
        listener: ConsumerRebalanceListener | None = None,
        batch_records: int,
    ) -> None:
        self._options = client_options(settings, client_id)
        session_ms = _EMBEDDED_SESSION_MS if settings.embedded else _SESSION_MS
        self._intake = intake
        self._broker = KafkaBroker(settings.bootstrap_servers, consumer_only=True, apply_types=False, logger=None)
        self._subscriber: BatchSubscriber = self._broker.subscriber(
            *topics,
            batch=True,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 5,
            batch_timeout_ms=int(POLL_S * 1000),
            max_records=batch_records,
            partitions=[Assigned(part.topic, part.partition) for part in partitions],
            group_id=group,
            listener=listener,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            parser=_parse,
            decoder=_decode,
            no_reply=True,
        )
        self._subscriber(self._take)

    @property
    def consumer(self) -> FetchingConsumer:
        """The client, once `start` has made it."""
        consumer = self._subscriber.consumer
        if not isinstance(consumer, FetchingConsumer):
            raise RuntimeError("connect first")  # noqa: TRY004 - the type tells whether it is there
        return consumer

    async def start(self) -> None:
        """Connect, and with a group join it. Takes as long as the broker takes; raises `KafkaError`."""
        await self._broker.connect()
        self._broker.config.broker_config.builder = self._new_consumer
        await self._broker.start()

    async def stop(self) -> None:
        """Fetch no more and leave the group."""
        await self._broker.stop()

    def _new_consumer(self, **asked: Any) -> FetchingConsumer:
        return FetchingConsumer(intake=self._intake, **asked | self._options)

    async def _take(self, records: list[KafkaRecord]) -> None:
        self._intake.take(records)


async def _parse(raw: tuple[Raw, ...]) -> StreamMessage[tuple[Raw, ...]]:
    return KafkaMessage(raw_message=raw, body=b"", headers={}, consumer=FAKE_CONSUMER)


async def _decode(message: StreamMessage[tuple[Raw, ...]]) -> list[KafkaRecord]:
    return [_record_from(raw) for raw in message.raw_message]


def _record_from(raw: Raw) -> KafkaRecord:
    kind = UnreadableRecord if isinstance(raw, _Unreadable) else KafkaRecord
    return kind(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers), raw.timestamp)
