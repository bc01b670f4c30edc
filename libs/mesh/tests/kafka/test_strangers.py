"""Records that only a stranger's client makes: none may stop a partition."""

import struct

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from metaqore_mesh.testing.kafka_bench import Seen, until

CRC_AT = 17  # in a record batch of format 2; it covers all that follows it


@pytest.fixture
async def stranger(bench):
    """A producer of somebody else's."""
    async with bench.bus():  # makes the topic
        pass
    made = []

    async def start(**options):
        made.append(AIOKafkaProducer(bootstrap_servers=bench.settings.bootstrap_servers, **options))
        await made[-1].start()
        return made[-1]

    yield start
    for producer in made:
        await producer.stop()


async def publish_bad_header_name(producer, topic):
    """One record whose header name is not UTF-8, which no well-behaved client can send."""
    batch = producer.create_batch()
    batch.append(key=b"k", value=b"evil", timestamp=None, headers=[("NAME", b"v")])
    batch.close()
    buffer = bytearray(batch._build())
    at = buffer.index(b"NAME")
    buffer[at : at + 4] = b"\xff\xfe\xff\xfe"
    struct.pack_into(">I", buffer, CRC_AT, calc_crc32c(bytes(buffer[CRC_AT + 4 :])))
    batch._buffer = buffer
    await (await producer.send_batch(batch, topic, partition=0))


@pytest.mark.parametrize("way", ["consuming", "reading"])
async def test_a_header_name_that_is_not_utf_8_is_buried_and_its_neighbours_are_handled(bench, stranger, way):
    producer = await stranger()
    for value in (b"0", b"1", None, None, b"2"):
        if value:
            await producer.send_and_wait(bench.topic, value, partition=0)
        else:
            await publish_bad_header_name(producer, bench.topic)
    seen = Seen()
    async with getattr(bench, way)(seen):
        await until(lambda: seen.values == [b"0", b"1", b"2"])
        if way == "consuming":
            await bench.until_committed(5)
    dead = await bench.dead_letters(2)
    assert [letter.header("dlq_offset") for letter in dead] == [b"2", b"3"]
    assert {letter.header("dlq_code") for letter in dead} == {b"record_unreadable"}


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_are_read(bench, stranger, codec):
    producer = await stranger(compression_type=codec)
    await producer.send_and_wait(bench.topic, b"x" * 10_000)
    seen = Seen()
    async with bench.reading(seen):
        await until(lambda: seen.values == [b"x" * 10_000])
