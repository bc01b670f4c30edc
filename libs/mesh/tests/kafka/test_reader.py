"""What a reader without a group may rely on, on every broker."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from metaqore_mesh.kafka import PoisonRecord, TopicSpec
from metaqore_mesh.settings import KafkaSettings
from metaqore_mesh.testing.kafka_bench import Bench, Seen, texts, until


async def test_from_the_beginning_everything_is_read_in_each_partitions_order(bench):
    async with bench.bus() as bus:
        await bench.publish(bus, texts(300))
    seen = Seen()
    async with bench.reading(seen) as (bus, _):
        await bench.publish(bus, texts(100, first=300))
        await until(lambda: len(seen.records) == 400)
    for partition in range(4):
        offsets = [record.offset for record in seen.records if record.partition == partition]
        assert offsets == list(range(len(offsets)))


async def test_from_the_latest_only_what_comes_is_read(bench):
    async with bench.bus() as bus:
        await bench.publish(bus, texts(300))
        await bus.publisher.flush()
    seen = Seen()
    async with bench.reading(seen, start="latest") as (bus, _):
        await bench.publish(bus, texts(100, first=300))
        await until(lambda: len(seen.records) == 100)
    assert {int(value) for value in seen.values} == set(range(300, 400))


async def test_from_given_offsets_what_lies_at_and_after_them_is_read(bench):
    async with bench.bus() as bus:
        acks = await bench.publish(bus, texts(20, b"k"))
    partition = acks[0].partition
    seen = Seen()
    async with bench.reading(seen, start={(bench.topic, partition): 15}) as (bus, _):
        await bench.publish(bus, texts(5, b"k", first=20))
        await until(lambda: len(seen.records) == 10)
    assert [int(value) for value in seen.values] == list(range(15, 25))


async def test_an_offset_beyond_the_end_begins_again_at_the_beginning(bench):
    async with bench.bus() as bus:
        acks = await bench.publish(bus, texts(5, b"k"))
    seen = Seen()
    async with bench.reading(seen, start={(bench.topic, acks[0].partition): 15}):
        await until(lambda: len(seen.records) == 5)


async def test_what_fails_comes_again_in_order_and_poison_is_buried(bench):
    attempts = 0

    async def then(records):
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise RuntimeError("not now")
        return [PoisonRecord("bad", "Send better.") if record.value == b"3" else None for record in records]

    seen = Seen(then)
    async with bench.reading(seen) as (bus, _):
        await bench.publish(bus, texts(6, b"k"))
        (dead,) = await bench.dead_letters(1)
    assert dead.value == b"3"
    assert seen.values[-6:] == [b"%d" % number for number in range(6)]


async def test_a_topic_that_comes_later_is_found(bench):
    seen = Seen()
    bus = bench.new_bus()
    late = f"{bench.topic}.late"
    bus.read([late], name="early", handler=seen)
    await bus.start()
    try:
        await bus.probe.wait_connected()
        await asyncio.sleep(0.3)
        await bus.topics.ensure([TopicSpec(late)])
        await bus.publisher.publish(late, b"k", b"v")
        await until(lambda: seen.records)
    finally:
        await bus.stop()


@pytest.mark.kafka
async def test_new_partitions_are_found_and_what_was_read_is_not_read_again(apache_kafka_bootstrap, fresh_name):
    bench = Bench(KafkaSettings(bootstrap_servers=apache_kafka_bootstrap), fresh_name)  # the embedded one cannot
    seen = Seen()
    async with bench.reading(seen) as (bus, _):
        await bench.publish(bus, texts(50))
        await until(lambda: len(seen.records) == 50)
        async with opened(AIOKafkaAdminClient(bootstrap_servers=apache_kafka_bootstrap)) as admin:
            await admin.create_partitions({bench.topic: NewPartitions(8)})
        await asyncio.sleep(6)  # until all clients have looked again
        await bench.publish(bus, texts(200, first=50))
        await until(lambda: len(seen.records) >= 250)
        assert {record.partition for record in seen.records} == set(range(8))
        assert len(seen.records) == 250


@asynccontextmanager
async def opened(admin):
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
