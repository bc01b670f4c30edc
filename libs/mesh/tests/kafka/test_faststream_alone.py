"""Why our parser and decoder exist: what FastStream's own lose. When one of these fails, ours may be needless."""

import asyncio

import pytest
from aiokafka import TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from metaqore_mesh.testing.kafka_bench import Seen, until

BAD_JSON = (b"k", b"{bad json", (("content-type", b"application/json"),))
NULL_HEADER = (b"k", b"text", (("null", None),))


def good(number):
    return (b"k", b"%d" % number, ())


@pytest.mark.parametrize("bad", [BAD_JSON, NULL_HEADER], ids=["bad json", "a null header"])
async def test_faststream_commits_past_the_batch_of_one_bad_record_and_we_do_not(bench, bad):
    async with bench.bus() as bus:
        await bench.publish(bus, [good(0), bad, good(1)])
        alone = await alone_handled(bench, lambda: bench.publish(bus, [good(2)]))
    assert alone == [b"2"]  # 0 and 1 are committed past, and never come

    seen = Seen()
    ours = type(bench)(bench.settings, bench.topic)
    ours.group = f"{bench.group}.ours"
    async with ours.consuming(seen):
        await until(lambda: len(seen.records) == 4)
        await ours.until_committed(4)
    assert seen.values == [b"0", bad[1], b"1", b"2"]


async def alone_handled(bench, publish_more):
    """What a plain FastStream batch subscriber handles that commits what it has handled, before and after more."""
    handled = []
    broker = KafkaBroker(bench.settings.bootstrap_servers, logger=None)
    session_ms = 3_000 if bench.settings.embedded else 10_000
    subscriber = broker.subscriber(
        bench.topic,
        batch=True,
        group_id=bench.group,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=session_ms // 5,
    )

    @subscriber
    async def handle(values: list[str | int | bytes]) -> None:
        partitions = subscriber.consumer.assignment()
        positions = {partition: await subscriber.consumer.position(partition) for partition in partitions}
        await subscriber.consumer.commit(positions)
        handled.extend(str(value).encode() for value in values)  # last: who sees it may ask for what is committed

    async with broker:
        await broker.start()
        await until(subscriber.consumer.assignment)
        await asyncio.sleep(1)  # the bad batch has come and gone
        [published] = await publish_more()
        await until(lambda: handled)
        committed = await subscriber.consumer.committed(TopicPartition(bench.topic, published.partition))
        assert committed == published.offset + 1
    return handled
