"""Many records in few batches: each is a record of its own, in its place and order, or says why it is not."""

import asyncio

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber

from metaqore_mesh.kafka import BrokerProbe, BrokerUnavailable, Bus, Publisher, RecordTooLarge, TopicSpec
from metaqore_mesh.kafka.batching import batches_of
from metaqore_mesh.settings import KafkaSettings
from metaqore_mesh.testing.kafka_bench import Seen, texts, until

HEADERS = (("b", b"\xff"), ("null", None), ("b", b"again"))


class Builder:
    """Takes two records, and a third only where it is alone."""

    def __init__(self):
        self.records, self.closed = [], False

    def append(self, *, timestamp, key, value, headers):
        assert timestamp > 0
        if len(self.records) == 2:
            return None
        self.records.append((key, value, headers))
        return object()

    def close(self):
        self.closed = True


def test_batches_keep_the_order_of_each_partition():
    records = [(b"%d" % (number % 3), b"%d" % number, HEADERS) for number in range(10)]
    batches = batches_of(records, new_builder=Builder, partition=int, largest_bytes=10)
    assert sorted(index for batch in batches for index in batch.indexes) == list(range(10))
    for partition in range(3):
        indexes = [index for batch in batches if batch.partition == partition for index in batch.indexes]
        assert indexes == [index for index in range(10) if index % 3 == partition]
    assert all(batch.builder.closed for batch in batches)
    assert all(len(batch.builder.records) == len(batch.indexes) <= 2 for batch in batches)


async def test_each_record_is_read_as_it_was_sent(bench):
    seen = Seen()
    records = [(b"k", b"v", HEADERS), (b"k", None, ()), (b"", b"", ()), (None, None, ())]
    async with bench.reading(seen) as (bus, _):
        assert await bus.publisher.publish_all(bench.topic, records) == [None] * 4
        await until(lambda: len(seen.records) == 4)
    first, second = (record for record in seen.records if record.key == b"k")
    assert (first.value, first.headers, second.value, second.headers) == (b"v", HEADERS, None, ())
    assert sorted(record.value for record in seen.records if record.key != b"k") == [b"", b""]


async def test_records_of_one_key_keep_their_order_and_go_where_others_of_it_go(bench):
    seen = Seen()
    async with bench.reading(seen) as (bus, _):
        alone = await bus.publisher.publish(bench.topic, b"k", b"first")
        for first in range(0, 2_000, 500):
            failures = await bus.publisher.publish_all(bench.topic, texts(500, b"k", first=first))
            assert failures == [None] * 500
        await until(lambda: len(seen.records) == 2_001)
    assert seen.values == [b"first", *(b"%d" % number for number in range(2_000))]
    assert {record.partition for record in seen.records} == {alone.partition}


async def test_records_larger_than_a_batch_go_too(bench):
    seen = Seen()
    large = [(b"k", b"%d" % number * 200_000, ()) for number in range(4)]
    async with bench.reading(seen) as (bus, _):
        assert await bus.publisher.publish_all(bench.topic, large) == [None] * 4
        await until(lambda: len(seen.records) == 4)
    assert seen.values == [value for _, value, _ in large]


async def test_one_that_is_too_large_takes_no_other_down(bench):
    async with bench.bus() as bus:
        records = [(b"k", b"a", ()), (b"k", b"x" * 4_000_000, ()), (b"k", b"b", ())]
        first, large, last = await bus.publisher.publish_all(bench.topic, records)
    assert (first, last) == (None, None)
    assert isinstance(large, RecordTooLarge)


@pytest.mark.kafka
async def test_records_that_are_too_large_only_together_go_one_by_one(apache_kafka_bootstrap, fresh_name):
    settings = KafkaSettings(bootstrap_servers=apache_kafka_bootstrap)
    narrow = TopicSpec(fresh_name, 1, configs={"max.message.bytes": "50000"})
    bus = Bus(settings, client_id=fresh_name, topics=[narrow])
    await bus.start()
    try:
        records = [(b"k", b"%d" % number * 20_000, ()) for number in range(4)] + [(b"k", b"x" * 60_000, ())]
        *fitting, large = await bus.publisher.publish_all(fresh_name, records)
    finally:
        await bus.stop()
    assert fitting == [None] * 4
    assert isinstance(large, RecordTooLarge)


async def test_what_a_broken_producer_held_failed_and_the_next_goes(bench):
    async with bench.bus() as bus:
        await bus.publisher.publish_all(bench.topic, texts(3))
        broken = bus.publisher._producer
        broken._sender.sender_task.cancel()  # as after OutOfOrderSequenceNumber (aiokafka issue 1017)
        broken._message_accumulator.fail_all(OutOfOrderSequenceNumber())
        await asyncio.sleep(0)
        failures = await bus.publisher.publish_all(bench.topic, texts(3))
        assert [type(failure) for failure in failures] == [BrokerUnavailable] * 3
        assert await bus.publisher.publish_all(bench.topic, texts(3)) == [None] * 3
        assert bus.publisher._producer is not broken


async def test_where_there_is_no_broker_the_deadline_ends_the_wait():
    settings = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    probe = BrokerProbe(settings, client_id="lonely")
    publisher = Publisher(settings, client_id="lonely", probe=probe, delivery_timeout_s=0.3)
    await probe.start()
    await publisher.start()
    try:
        failures = await publisher.publish_all("topic", texts(2))
        assert [failure.retryable for failure in failures] == [True, True]
    finally:
        await publisher.stop()
        await probe.stop()


@pytest.mark.parametrize("cut_after_s", [0.0, 0.01])
async def test_a_cancelled_call_leaves_nothing_behind(bench, cut_after_s):
    async with bench.bus() as bus:
        sending = asyncio.create_task(bus.publisher.publish_all(bench.topic, texts(5_000)))
        await asyncio.sleep(cut_after_s)
        sending.cancel()
        await asyncio.wait([sending])
        assert await bus.publisher.publish_all(bench.topic, texts(3)) == [None] * 3
