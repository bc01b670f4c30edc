"""What a publisher may rely on, on every broker."""

import asyncio

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber

from metaqore_mesh.kafka import BrokerProbe, BrokerUnavailable, Publisher, RecordTooLarge
from metaqore_mesh.settings import KafkaSettings
from metaqore_mesh.testing.kafka_bench import Seen, texts, until


async def test_an_acked_record_is_read_as_it_was_sent(bench):
    seen = Seen()
    headers = (("b", b"\xff"), ("null", None), ("b", b"again"))
    async with bench.reading(seen) as (bus, _):
        published = await bus.publisher.publish(bench.topic, b"k", b"v", headers)
        await until(lambda: seen.records)
    (record,) = seen.records
    assert (record.key, record.value, record.headers) == (b"k", b"v", headers)
    assert (record.topic, record.partition, record.offset) == (bench.topic, published.partition, published.offset)


async def test_sends_of_one_key_keep_their_order_while_many_are_in_flight(bench):
    async with bench.bus() as bus:
        acks = await bench.publish(bus, texts(2_000, b"k"))
    assert [ack.offset for ack in acks] == list(range(2_000))


async def test_a_record_that_is_too_large_is_refused_and_the_next_one_goes(bench):
    async with bench.bus() as bus:
        with pytest.raises(RecordTooLarge):
            await bus.publisher.publish(bench.topic, b"k", b"x" * 4_000_000)
        assert (await bus.publisher.publish(bench.topic, b"k", b"v")).offset == 0


async def test_a_producer_that_broke_for_good_is_replaced(bench):
    async with bench.bus() as bus:
        await bus.publisher.publish(bench.topic, b"k", b"0")
        broken = bus.publisher._producer
        broken._sender.sender_task.cancel()  # as after OutOfOrderSequenceNumber (aiokafka issue 1017)
        broken._message_accumulator.fail_all(OutOfOrderSequenceNumber())
        await asyncio.sleep(0)
        assert (await bus.publisher.publish(bench.topic, b"k", b"1")).offset == 1
        assert bus.publisher._producer is not broken


async def test_where_there_is_no_broker_the_deadline_ends_the_wait():
    settings = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    probe = BrokerProbe(settings, client_id="lonely")
    publisher = Publisher(settings, client_id="lonely", probe=probe, delivery_timeout_s=0.3)
    await probe.start()
    await publisher.start()
    try:
        with pytest.raises(BrokerUnavailable) as refused:
            await publisher.publish("topic", b"k", b"v")
        assert refused.value.retryable
        assert not publisher.connected
        assert not probe.connected
    finally:
        await publisher.stop()
        await probe.stop()


async def test_what_is_held_is_bounded(bench):
    async with bench.bus() as bus:
        small = {"max_unacked_records": 3, "linger_ms": 1_000}
        publisher = Publisher(bench.settings, client_id="small", probe=bus.probe, **small)
        await publisher.start()
        held = [await publisher.send(bench.topic, b"k", b"v") for _ in range(3)]
        one_more = asyncio.create_task(publisher.send(bench.topic, b"k", b"v"))
        await asyncio.sleep(0.2)
        assert not one_more.done()
        await asyncio.gather(*held)
        await (await one_more)
        await publisher.stop()
