"""The embedded broker dies, at any moment, and comes back with nothing: no topics, no groups, no records."""

import asyncio
import random

import pytest
from aiokafka.errors import KafkaConnectionError

from metaqore_mesh.kafka import BrokerUnavailable
from metaqore_mesh.testing.kafka_bench import Bench, Seen, texts, until


@pytest.fixture
def bench(mortal_broker, fresh_name):
    return Bench(mortal_broker.settings, fresh_name)


async def until_all(wanted, *handlers):
    await until(lambda: all(wanted <= set(seen.values) for seen in handlers), 30)


@pytest.mark.parametrize("away_s", [0.0, 1.5], ids=["back at once", "away for a while"])
async def test_all_go_on_by_themselves_and_read_what_is_published_after(bench, mortal_broker, away_s):
    read, consumed = Seen(), Seen()
    async with bench.reading(read), bench.consuming(consumed) as (bus, _):
        await bench.publish(bus, texts(40))
        await until(lambda: len(read.records) == 40 and len(consumed.records) == 40)
        for life in (1, 2):
            mortal_broker.kill()
            await asyncio.sleep(away_s)
            mortal_broker.start()
            later = texts(60, first=100 * life)
            await asyncio.gather(*(bus.publisher.publish(bench.topic, *message) for message in later))
            await until_all({value for _, value, _ in later}, read, consumed)


async def test_who_waits_for_a_topic_of_a_producer_that_is_replaced_gets_the_next_one(bench, mortal_broker):
    async with bench.bus() as bus:
        await bench.publish(bus, texts(1))
        producer = bus.publisher._producer
        producer.client._sync_task.cancel()  # nothing of it is told any more, as when its broker has just died
        waiting = asyncio.create_task(bus.publisher.publish("of-which-it-knows-nothing-yet", b"k", b"v"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        mortal_broker.kill()
        mortal_broker.start()
        async with asyncio.timeout(60):
            assert (await waiting).topic == "of-which-it-knows-nothing-yet"
            with pytest.raises(KafkaConnectionError):
                await producer.partitions_for("another")


async def test_fewer_records_than_were_read_before_are_read_too(bench, mortal_broker):
    seen = Seen()
    async with bench.reading(seen) as (bus, _):
        await bench.publish(bus, texts(100, b"k"))
        await until(lambda: len(seen.records) == 100)
        mortal_broker.kill()
        mortal_broker.start()
        await bus.publisher.publish(bench.topic, b"k", b"only one")
        await until(lambda: b"only one" in seen.values)


async def test_exactly_as_many_records_as_were_read_before_are_read_too(bench, mortal_broker):
    seen = Seen()
    async with bench.reading(seen) as (bus, _):
        await bench.publish(bus, texts(10, b"k"))
        await until(lambda: len(seen.records) == 10)
        mortal_broker.kill()
        mortal_broker.start()
        for message in texts(10, b"k", first=10):
            await bus.publisher.publish(bench.topic, *message)
        await until(lambda: {b"%d" % number for number in range(20)} <= set(seen.values))


async def test_what_is_acked_to_the_successor_is_never_hidden_by_a_topic_made_late(bench, mortal_broker):
    async with bench.bus() as bus:
        await bench.publish(bus, texts(5))
        mortal_broker.kill()
        mortal_broker.start()
        await bus.publisher.publish(bench.topic, b"k", b"after")
        seen = Seen()
        async with bench.reading(seen):
            await until(lambda: b"after" in seen.values)


async def test_everything_starts_without_a_broker_and_connects_once_there_is_one(bench, mortal_broker):
    mortal_broker.kill()
    seen = Seen()
    bus = bench.new_bus()
    consumer = bus.consume([bench.topic], group=bench.group, handler=seen)
    await bus.start()
    try:
        await asyncio.sleep(0.3)
        assert not bus.connected
        assert bus.unready()
        assert not consumer.connected
        mortal_broker.start()
        await asyncio.wait_for(consumer.wait_connected(), 20)
        assert bus.unready() is None
        await bus.publisher.publish(bench.topic, b"k", b"v")
        await until(lambda: seen.records)
    finally:
        await bus.stop()


async def test_stop_does_not_wait_for_a_broker_that_is_gone(bench, mortal_broker):
    async with bench.reading(Seen()), bench.consuming(Seen()) as (bus, _):
        await bench.publish(bus, texts(10))
        mortal_broker.kill()
        began = asyncio.get_running_loop().time()
        await bus.stop(deadline_s=2.0)
        assert asyncio.get_running_loop().time() - began < 40  # it would be for ever


async def test_a_broker_that_dies_meanwhile_fails_them_within_the_deadline(bench, mortal_broker):
    async with bench.bus() as bus:
        assert await bus.publisher.publish_all(bench.topic, texts(3)) == [None] * 3
        mortal_broker.kill()
        async with asyncio.timeout(15):
            failures = await bus.publisher.publish_all(bench.topic, texts(100))
        assert {type(failure) for failure in failures} == {BrokerUnavailable}
        mortal_broker.start()
        await until(lambda: bus.connected)
        assert await bus.publisher.publish_all(bench.topic, texts(3)) == [None] * 3


@pytest.mark.parametrize("seed", range(3))
async def test_under_load_nothing_published_after_the_last_death_is_lost(bench, mortal_broker, seed):
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    read, consumed = Seen(), Seen()
    published = {}
    stop = asyncio.Event()

    async def load(bus):
        number = 0
        while not stop.is_set():
            number += 1
            value = b"%d-%d" % (seed, number)
            try:
                await bus.publisher.publish(bench.topic, b"key-%d" % (number % 17), value)
            except BrokerUnavailable:
                continue
            published[value] = asyncio.get_running_loop().time()
            await asyncio.sleep(0.002)

    async with bench.reading(read), bench.consuming(consumed) as (bus, _):
        loading = asyncio.create_task(load(bus))
        for _ in range(3):
            await asyncio.sleep(chance.uniform(0.05, 2.0))
            mortal_broker.kill()
            await asyncio.sleep(chance.uniform(0, 0.5))
            mortal_broker.start()
            last = asyncio.get_running_loop().time()
        await asyncio.sleep(2)
        stop.set()
        await loading
        wanted = {value for value, at in published.items() if at > last + 0.1}
        assert wanted
        await until_all(wanted, read, consumed)
