"""One session of a reader without a group: where each partition begins, and whether its past is still there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from aiokafka import TopicPartition

from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.errors import BrokerUnavailable
from metaqore_mesh.kafka.fetching import Subscription
from metaqore_mesh.kafka.metrics import CONNECTED
from metaqore_mesh.kafka.session import Plan, Session, by_partition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metaqore_mesh.kafka.probe import BrokerProbe
    from metaqore_mesh.kafka.reader import Start
    from metaqore_mesh.kafka.records import KafkaRecord
    from metaqore_mesh.kafka.topics import Topics

log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Bookmark:
    """The record before the next one to read. `record` None: whatever lies at `offset` will do."""

    offset: int
    record: KafkaRecord | None = None


class Bookmarks:
    """How far a reader has come, kept over its sessions."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._begun = False
        self.of: dict[TopicPartition, Bookmark] = {}

    def begin(self, partitions: Sequence[TopicPartition]) -> None:
        """Partitions that exist when reading first begins start where the reader was told to."""
        if not self._begun and not isinstance(self._start, str):
            for partition in partitions:
                offset = self._start.get((partition.topic, partition.partition), 0)
                if offset > 0:
                    self.of[partition] = Bookmark(offset - 1)

    def begun(self) -> None:
        """Reading has begun: partitions that come from now on are read from their beginning."""
        self._begun = True

    @property
    def skips(self) -> bool:
        """Whether what is there already is to be passed over."""
        return self._start == "latest" and not self._begun


class Reading(Session):
    """A session over all partitions of the topics; ends when the connection is lost or the partitions change."""

    def __init__(self, plan: Plan, bookmarks: Bookmarks, probe: BrokerProbe, topics: Topics) -> None:
        super().__init__(plan)
        self._bookmarks = bookmarks
        self._probe = probe
        self._topics = topics
        self._losses = probe.losses
        self._partitions: dict[str, int] = {}
        self._skipping: set[TopicPartition] = set()
        self._unsure: dict[TopicPartition, Bookmark] = {}

    async def connect(self) -> None:
        """See `Session`. Waits for the broker and for at least one partition."""
        await self._probe.wait_connected()
        self._losses = self._probe.losses
        attempt = 0
        while not (counts := await self._topics.partitions(self.plan.topics)):
            attempt += 1
            await asyncio.sleep(Backoff(most_s=2.0).delay_s(attempt))
        self._partitions = counts
        partitions = [TopicPartition(topic, number) for topic, count in counts.items() for number in range(count)]
        self.subscription = subscription = Subscription(
            self.plan.settings,
            self,
            client_id=self.plan.name,
            partitions=partitions,
            batch_records=self.plan.limits.batch_records,
        )
        await subscription.start()
        self._bookmarks.begin(partitions)
        for partition in partitions:
            self._open(partition)
        self._settle()

    async def watch(self) -> None:
        """See `Session`."""
        lost = asyncio.create_task(self._probe.wait_lost(self._losses))
        try:
            while True:
                await asyncio.wait({lost}, timeout=_LOOK_AGAIN_S)
                if lost.done():
                    raise BrokerUnavailable("The connection to the broker was lost.")
                if await self._topics.partitions(self.plan.topics) != self._partitions:
                    raise BrokerUnavailable("The topics have other partitions now.")
        finally:
            lost.cancel()

    async def release(self, grace_s: float) -> None:
        """See `Session`."""
        await asyncio.gather(*(lane.close(grace_s) for lane in self.lanes.values()))
        for partition, lane in self.lanes.items():
            if lane.offsets.last:
                self._bookmarks.of[partition] = Bookmark(lane.offsets.last.offset, lane.offsets.last)
        self.lanes = {}

    def room(self) -> Sequence[TopicPartition] | None:
        """See `Intake`."""
        if self._skipping or self._unsure:
            self._settle()
        return super().room() if self.lanes else ()

    def mark(self) -> None:
        """See `Intake`. Positions change only between fetches here, so there is nothing to remember."""

    def take(self, records: Sequence[KafkaRecord]) -> None:
        """See `Intake`."""
        if self.closed:
            return
        for partition, batch in by_partition(records).items():
            if partition not in self._skipping:
                self.lanes[partition].put(self._sure(partition, batch))

    def _open(self, partition: TopicPartition) -> None:
        self.lanes[partition] = self.new_lane(partition)
        bookmark = self._bookmarks.of.get(partition)
        if bookmark:
            self._unsure[partition] = bookmark
            self.consumer.seek(partition, bookmark.offset)
        elif self._bookmarks.skips:
            self._skipping.add(partition)
        else:
            self.consumer.seek(partition, 0)

    def _settle(self) -> None:
        """Look at the ends that the first answers tell: to find the latest record, or that the past is gone.

        ListOffsets is not asked: the embedded broker counts batches there, and answers a fetch beyond the end with
        nothing where Kafka says that it is out of range.
        """
        consumer = self.consumer
        for partition in tuple(self._skipping):
            end = consumer.highwater(partition)
            if end is not None:
                self._skipping.remove(partition)
                if end > 0:
                    self._bookmarks.of[partition] = self._unsure[partition] = Bookmark(end - 1)
                consumer.seek(partition, max(0, end - 1))
        for partition, bookmark in tuple(self._unsure.items()):
            end = consumer.highwater(partition)
            if end is not None and end <= bookmark.offset:
                self._begin_again(partition)
        if not self._skipping and not self.ready.is_set():
            self._bookmarks.begun()
            self.ready.set()
            CONNECTED.labels(client=self.plan.name).set(1)

    def _sure(self, partition: TopicPartition, batch: list[KafkaRecord]) -> list[KafkaRecord]:
        """What of `batch` is to be handled, given the bookmark it should begin with."""
        bookmark = self._unsure.get(partition)
        if bookmark is None:
            return batch
        first = batch[0]
        if first.offset == bookmark.offset and bookmark.record in (None, first):
            del self._unsure[partition]
            self._bookmarks.of[partition] = Bookmark(first.offset, first)
            return batch[1:]
        if first.offset > bookmark.offset and bookmark.record is None:
            del self._unsure[partition]
            return batch
        self._begin_again(partition)
        return []

    def _begin_again(self, partition: TopicPartition) -> None:
        log.warning("kafka.memory_lost", reader=self.plan.name, topic=partition.topic, partition=partition.partition)
        self._unsure.pop(partition, None)
        self._bookmarks.of.pop(partition, None)
        self.consumer.seek(partition, 0)  # below the log's start: reset to the earliest
