"""A lane alone, with dead letters that a test can fail."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.kafka import BrokerUnavailable, KafkaRecord, PoisonRecord
from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.kafka.delivery import Lane
from metaqore_mesh.testing.kafka_bench import QUICK, Seen, until


class Graveyard:
    def __init__(self):
        self.buried = []
        self.failing = False

    async def bury(self, record, consumer, cause):
        if self.failing:
            raise BrokerUnavailable("no broker")
        self.buried.append((record.value, consumer, cause.code))


@asynccontextmanager
async def lane(handler, graveyard, **limits):
    opened = Lane(
        topic="topic",
        consumer="consumer",
        handler=handler,
        dead_letters=graveyard,
        limits=replace(QUICK, **limits),
        progressed=lambda: None,
    )
    try:
        yield opened
    finally:
        await opened.close(1.0)


def records(*values):
    return [KafkaRecord("topic", 0, offset, None, value, (), 0) for offset, value in enumerate(values)]


def answering(results):
    async def then(batch):
        return [results.get(record.value) for record in batch]

    return then


async def test_while_a_dead_letter_cannot_be_written_nothing_is_done_past_its_record():
    graveyard = Graveyard()
    graveyard.failing = True
    seen = Seen(answering({b"bad": PoisonRecord("bad", "Send better.")}))
    async with lane(seen, graveyard) as opened:
        opened.put(records(b"0", b"bad", b"1"))
        await until(lambda: seen.values.count(b"bad") > 2)
        assert opened.offsets.floor == 1
        graveyard.failing = False
        await until(lambda: opened.offsets.floor == 3)
    assert graveyard.buried == [(b"bad", "consumer", "bad")]


async def test_an_error_that_may_pass_is_tried_again_and_one_that_cannot_is_buried():
    graveyard = Graveyard()
    results = {
        b"later": MetaQoreError("busy", "Wait.", kind=ErrorKind.UNAVAILABLE, retryable=True),
        b"never": MetaQoreError("invalid", "Send better."),
        b"bug": KeyError("a bug is no reason to lose a record"),
        b"cut off": asyncio.CancelledError(),
    }
    seen = Seen(answering(results))
    async with lane(seen, graveyard) as opened:
        opened.put(records(b"later", b"never", b"bug", b"cut off", b"good"))
        await until(lambda: seen.values.count(b"bug") > 2)
        assert [code for _, _, code in graveyard.buried] == ["invalid"]
        assert opened.held_records == 3
        results.clear()
        await until(lambda: opened.offsets.floor == 5)


async def test_one_batch_at_a_time_keeps_the_order_and_several_go_side_by_side_where_asked():
    running = most = 0

    async def then(_):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    for batches, expected in ((1, 1), (3, 3)):
        most = 0
        async with lane(Seen(then), Graveyard(), batch_records=1, batches_in_flight=batches) as opened:
            opened.put(records(*[b"x"] * 9))
            await until(lambda opened=opened: opened.offsets.floor == 9)
        assert most == expected


async def test_it_is_full_by_records_and_by_bytes():
    async def never(_):
        await asyncio.sleep(60)

    async with lane(Seen(never), Graveyard(), partition_records=3, revoke_grace_s=0) as opened:
        opened.put(records(b"", b""))
        assert not opened.full
        opened.put(records(b"", b"", b""))
        assert opened.full
        await opened.close(0)
    async with lane(Seen(never), Graveyard(), partition_bytes=100) as opened:
        opened.put(records(b"x" * 100))
        assert opened.full
        await opened.close(0)


async def test_a_lane_that_closes_waits_no_backoff_out():
    async def fails(_):
        raise RuntimeError("always")

    seen = Seen(fails)
    slow = Backoff(first_s=60, most_s=60)
    async with lane(seen, Graveyard(), retry=slow) as opened:
        opened.put(records(b"0"))
        await until(lambda: seen.batches)
        began = asyncio.get_running_loop().time()
        await opened.close(50)
        assert asyncio.get_running_loop().time() - began < 30
    assert opened.offsets.floor is None


async def test_a_handler_that_cannot_stop_now_does_not_keep_a_lane_from_closing():
    over = asyncio.Event()

    async def insists(_):
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await over.wait()

    seen = Seen(insists)
    async with lane(seen, Graveyard()) as opened:
        opened.put(records(b"0"))
        await until(lambda: seen.batches)
        async with asyncio.timeout(10):
            await opened.close(0)
        over.set()


async def test_a_secret_in_an_error_is_not_logged(capsys):
    async def fails(_):
        raise ValueError("the prompt says mq_secret")

    seen = Seen(fails)
    async with lane(seen, Graveyard()) as opened:
        opened.put(records(b"0"))
        await until(lambda: len(seen.batches) > 2)
    captured = capsys.readouterr()
    assert "kafka.records_retried" in captured.out + captured.err
    assert "mq_secret" not in captured.out + captured.err
