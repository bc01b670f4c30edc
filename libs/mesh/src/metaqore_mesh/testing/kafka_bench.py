"""A topic to test on: handlers that remember, records to publish, offsets and dead letters to look at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from metaqore_governance_core.contracts.topics import dead_letter_topic
from metaqore_mesh.kafka import BatchConsumer, Bus, ConsumerLimits, Handler, KafkaRecord, Published, TopicReader
from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.reader import Start
from metaqore_mesh.kafka.records import Headers
from metaqore_mesh.kafka.topics import TopicSpec
from metaqore_mesh.settings import KafkaSettings

T = TypeVar("T")
Message = tuple[bytes | None, bytes | None, Headers]
"""Key, value and headers of a record to publish."""

QUICK = ConsumerLimits(retry=Backoff(first_s=0.02, most_s=0.05), commit_interval_s=0.01)
PARTITIONS = 4


async def until(condition: Callable[[], T], timeout_s: float = 60.0) -> T:
    """What `condition` gives once that is true. Raises `AssertionError` where it takes longer."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time")
        await asyncio.sleep(0.01)
    return found


class Seen:
    """A handler that remembers what it was given, then does what `then` says."""

    def __init__(self, then: Handler | None = None) -> None:
        self.batches: list[tuple[KafkaRecord, ...]] = []
        self._then = then

    @property
    def records(self) -> list[KafkaRecord]:
        """Every record given, repeats included."""
        return [record for batch in self.batches for record in batch]

    @property
    def values(self) -> list[bytes | None]:
        """The values of `records`."""
        return [record.value for record in self.records]

    async def __call__(self, records: Sequence[KafkaRecord]) -> Sequence[object] | None:
        """See `Handler`."""
        self.batches.append(tuple(records))
        return await self._then(records) if self._then else None


class Bench:
    """One topic of four partitions on one broker, and one consumer group."""

    def __init__(self, settings: KafkaSettings, name: str) -> None:
        self.settings = settings
        self.topic = name
        self.group = f"{name}.group"

    def new_bus(self) -> Bus:
        """A bus that knows the topic, not started."""
        return Bus(self.settings, client_id=self.group, topics=[TopicSpec(self.topic, PARTITIONS)])

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        """A bus that publishes only."""
        bus = self.new_bus()
        async with _running(bus):
            yield bus

    @asynccontextmanager
    async def consuming(
        self, handler: Handler, limits: ConsumerLimits = QUICK, *, deadline_s: float = 5.0
    ) -> AsyncIterator[tuple[Bus, BatchConsumer]]:
        """A bus with a consumer that has joined."""
        bus = self.new_bus()
        consumer = bus.consume([self.topic], group=self.group, handler=handler, limits=limits)
        async with _running(bus, deadline_s):
            async with asyncio.timeout(40):
                await consumer.wait_connected()
            yield bus, consumer

    @asynccontextmanager
    async def reading(
        self, handler: Handler, start: Start = "beginning", limits: ConsumerLimits = QUICK
    ) -> AsyncIterator[tuple[Bus, TopicReader]]:
        """A bus with a reader that reads."""
        bus = self.new_bus()
        reader = bus.read([self.topic], name=self.group, handler=handler, start=start, limits=limits)
        async with _running(bus):
            async with asyncio.timeout(40):
                await reader.wait_connected()
            yield bus, reader

    async def publish(self, bus: Bus, messages: Iterable[Message]) -> list[Published]:
        """Send in order and wait for all acks."""
        acks = [await bus.publisher.send(self.topic, key, value, headers) for key, value, headers in messages]
        return await asyncio.gather(*acks)

    async def committed(self) -> dict[int, int]:
        """The group's offset of each partition that has one."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.bootstrap_servers)
        await admin.start()
        try:
            partitions = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
            found = await admin.list_consumer_group_offsets(self.group, partitions=partitions)
        finally:
            await admin.close()
        return {partition.partition: told.offset for partition, told in found.items() if told.offset >= 0}

    async def until_committed(self, records: int, timeout_s: float = 60.0) -> None:
        """Return once the committed offsets add up to `records`: that many are done, in all partitions together."""
        deadline = time.monotonic() + timeout_s
        while sum((found := await self.committed()).values()) != records:
            if time.monotonic() > deadline:
                raise AssertionError(f"committed {found}, not {records} in all")
            await asyncio.sleep(0.05)

    async def dead_letters(self, count: int) -> list[KafkaRecord]:
        """The first `count` dead letters of the group, or more."""
        buried = Seen()
        bus = Bus(self.settings, client_id="undertaker")
        bus.read([dead_letter_topic(self.topic, self.group)], name="undertaker", handler=buried)
        async with _running(bus):
            await until(lambda: len(buried.records) >= count)
        return buried.records


def texts(count: int, key: bytes | None = None, *, first: int = 0) -> list[Message]:
    """`count` messages b"0", b"1" and so on; without a `key` they spread over the partitions."""
    return [(key or b"key-%d" % number, b"%d" % number, ()) for number in range(first, first + count)]


@asynccontextmanager
async def _running(bus: Bus, deadline_s: float = 5.0) -> AsyncIterator[None]:
    await bus.start()
    try:
        async with asyncio.timeout(20):
            await bus.probe.wait_connected()
        yield
    finally:
        await bus.stop(deadline_s)
