"""What a consumer may rely on, on every broker."""

import asyncio
from collections import defaultdict
from dataclasses import replace

import pytest

from metaqore_mesh.kafka import BrokerUnavailable, PoisonRecord
from metaqore_mesh.testing.kafka_bench import QUICK, Seen, texts, until

STRANGE = [
    (b"k", b'{"good": 1}', ()),
    (b"k", b"{bad json", (("content-type", b"application/json"),)),
    (b"k", b"good", (("null", None),)),
    (b"k", None, (("why", b"tombstone"),)),
    (b"k", b"", ()),
    (None, b"no key", ()),
    (None, None, (("nothing", b"at all"),)),
    (b"k", b"twice", (("h", b"1"), ("h", None), ("h", b"2"))),
    (b"k", b"\xff\xfe not text", (("bytes", b"\xff\xfe"), ("reply_to", b"elsewhere"), ("correlation_id", b"\xff"))),
    (b"\xff\x00", b"binary key", ()),
    (b"k", b"x" * 900_000, ()),
    (b"k", b'{"good": 2}', ()),
]
"""Records that FastStream's own parser and decoder lose, with the batch they come in; see the recipe in the ADR."""


def as_sent(message):
    key, value, headers = message
    return key, b"" if key is None and value is None else value, headers


async def test_every_record_arrives_as_it_was_sent_and_is_committed(bench):
    seen = Seen()
    async with bench.consuming(seen) as (bus, _):
        await bench.publish(bus, STRANGE)
        await until(lambda: len(seen.records) == len(STRANGE))
        await bench.until_committed(len(STRANGE))

    arrived = {(record.key, record.value, record.headers) for record in seen.records}
    assert arrived == {as_sent(message) for message in STRANGE}


async def test_a_batch_whose_handler_raises_comes_again_and_nothing_is_committed_past_it(bench):
    failing = True

    async def then(_):
        if failing:
            raise RuntimeError("the store is away")

    seen = Seen(then)
    async with bench.consuming(seen) as (bus, _):
        await bench.publish(bus, texts(5, b"k"))
        await until(lambda: len(seen.batches) >= 4)
        assert await bench.committed() == {}
        failing = False
        await bench.until_committed(5)
    assert set(seen.values) == {b"0", b"1", b"2", b"3", b"4"}


async def test_only_what_failed_comes_again_and_the_offset_waits_for_it(bench):
    failing = True

    async def then(records):
        return [BrokerUnavailable("later") if failing and record.value == b"2" else None for record in records]

    seen = Seen(then)
    async with bench.consuming(seen) as (bus, _):
        await bench.publish(bus, texts(5, b"k"))
        await until(lambda: seen.values.count(b"2") >= 3)
        await bench.until_committed(2)
        failing = False
        await bench.until_committed(5)
    assert all(seen.values.count(value) == 1 for value in (b"0", b"1", b"3", b"4"))


async def test_a_handler_that_answers_the_wrong_number_of_results_loses_nothing(bench):
    answers = [[], [None] * 7]

    async def then(records):
        return answers.pop(0) if answers else [None] * len(records)

    seen = Seen(then)
    async with bench.consuming(seen) as (bus, _):
        await bench.publish(bus, texts(1, b"k"))
        await bench.until_committed(1)
    assert seen.values == [b"0", b"0", b"0"]


async def test_poison_goes_to_the_dead_letters_with_its_cause_and_the_rest_goes_on(bench):
    async def then(records):
        return [PoisonRecord("not_json", "Send JSON.") if b"bad" in record.value else None for record in records]

    seen = Seen(then)
    headers = (
        ("ce_id", b"7"),
        ("null", None),
        ("Authorization", b"Bearer mq_secret"),
        ("twice", b"1"),
        ("twice", b"2"),
    )
    async with bench.consuming(seen) as (bus, _):
        await bench.publish(bus, [(b"k", b"0", ()), (b"k", b"bad", headers), (b"k", b"1", ())])
        await bench.until_committed(3)

    (dead,) = await bench.dead_letters(1)
    assert (dead.key, dead.value) == (b"k", b"bad")
    assert dead.headers[:4] == (("ce_id", b"7"), ("null", None), ("twice", b"1"), ("twice", b"2"))
    assert "secret" not in repr(dead)
    cause = dict(dead.headers[4:])
    assert cause.pop("dlq_time").startswith(b"20")
    assert cause == {
        "dlq_code": b"not_json",
        "dlq_message": b"Send JSON.",
        "dlq_consumer": bench.group.encode(),
        "dlq_topic": bench.topic.encode(),
        "dlq_partition": b"%d" % seen.records[0].partition,
        "dlq_offset": b"1",
    }


async def test_the_largest_poison_still_finds_room_in_the_dead_letters(bench):
    async def then(records):
        return [PoisonRecord("too_strange", "Send less.") for _ in records]

    value = b"x" * 1_048_000
    async with bench.consuming(Seen(then)) as (bus, _):
        await bench.publish(bus, [(b"k", value, ())])
        await bench.until_committed(1)
    (dead,) = await bench.dead_letters(1)
    assert dead.value == value


async def test_records_of_one_key_keep_their_order(bench):
    seen = Seen()
    async with bench.consuming(seen, replace(QUICK, batch_records=7)) as (bus, _):
        await bench.publish(bus, [(b"key-%d" % (n % 5), b"%d" % n, ()) for n in range(500)])
        await until(lambda: len(seen.records) == 500)
    of_key = defaultdict(list)
    for record in seen.records:
        of_key[record.key].append(int(record.value))
    assert all(numbers == sorted(numbers) for numbers in of_key.values())


async def test_a_partition_that_holds_too_much_is_not_fetched_while_others_go_on(bench):
    free = asyncio.Event()

    async def then(records):
        if records[0].key == b"stuck":
            await free.wait()

    seen = Seen(then)
    limits = replace(QUICK, batch_records=10, partition_records=50)
    async with bench.consuming(seen, limits) as (bus, consumer):
        (stuck,) = await bench.publish(bus, [(b"stuck", b"first", ())])
        await until(lambda: seen.records)
        await bench.publish(bus, [(b"stuck", b"x", ())] * 500)
        others = [ack for ack in await bench.publish(bus, texts(200)) if ack.partition != stuck.partition]
        await until(lambda: sum(r.partition != stuck.partition for r in seen.records) == len(others))
        assert consumer.held_records <= 50 + 10
        free.set()
        await until(lambda: seen.values.count(b"x") == 500)


async def test_drain_finishes_what_is_in_flight_and_commits_it(bench):
    begun, finish = asyncio.Event(), asyncio.Event()

    async def then(_):
        begun.set()
        await finish.wait()

    seen = Seen(then)
    async with bench.consuming(seen, replace(QUICK, batch_records=3)) as (bus, consumer):
        await bench.publish(bus, texts(10, b"k"))
        await begun.wait()
        stopping = asyncio.create_task(consumer.stop(deadline_s=5))
        await asyncio.sleep(0.2)
        finish.set()
        await stopping
        await bench.until_committed(len(seen.records))
    assert len(seen.records) <= 3


async def test_what_does_not_finish_by_the_deadline_comes_again(bench):
    cancelled = []

    async def forever(records):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.extend(records)
            raise

    async with bench.consuming(Seen(forever), deadline_s=0.1) as (bus, _):
        await bench.publish(bus, texts(3, b"k"))
        await asyncio.sleep(0.3)
    assert cancelled
    assert await bench.committed() == {}

    seen = Seen()
    async with bench.consuming(seen):
        await until(lambda: len(seen.records) == 3)


async def test_two_members_share_the_partitions_and_lose_nothing_when_they_change(bench):
    first, second = Seen(), Seen()
    async with bench.consuming(first) as (bus, one):
        await bench.publish(bus, texts(100))
        await until(lambda: len(first.records) == 100)
        async with bench.consuming(second) as (_, two):
            await until(lambda: one.connected and two.connected and one.assignment and two.assignment, 40)
            assert not one.assignment & two.assignment
            await bench.publish(bus, texts(100, first=100))
            await until(lambda: len({*first.values, *second.values}) == 200)
            assert {record.partition for record in second.records} <= {part.partition for part in two.assignment}
        await until(lambda: len(one.assignment) == 4, 40)
        await bench.publish(bus, texts(50, first=200))
        await until(lambda: len({*first.values, *second.values}) == 250)
        await bench.until_committed(250)


@pytest.mark.parametrize("late", [False, True], ids=["in time", "too late"])
async def test_a_revoked_partition_may_finish_what_is_in_flight(bench, late):
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(_):
        begun.set()
        await finish.wait()

    first, second = Seen(slow), Seen()
    limits = replace(QUICK, revoke_grace_s=0.1 if late else 2.0)
    async with bench.consuming(first, limits) as (bus, one):
        await bench.publish(bus, texts(8))
        await begun.wait()
        async with bench.consuming(second) as (_, two):
            asyncio.get_running_loop().call_later(0.5, finish.set)
            await until(lambda: one.connected and two.connected and one.assignment and two.assignment, 40)
            await bench.until_committed(8)
    assert {*first.values, *second.values} == {b"%d" % n for n in range(8)}
