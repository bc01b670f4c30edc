"""The floor: every record below it is done, whatever the order in which records are done."""

from hypothesis import given
from hypothesis import strategies as st

from metaqore_mesh.kafka import KafkaRecord
from metaqore_mesh.kafka.offsets import Offsets


def record(offset):
    return KafkaRecord("topic", 0, offset, None, b"", (), 0)


def taken(*offsets):
    tracker = Offsets()
    for offset in offsets:
        assert tracker.take(offset)
    return tracker


def test_nothing_may_be_committed_before_anything_is_done():
    assert taken(5, 6).floor is None


def test_the_floor_waits_for_the_first_that_is_not_done():
    tracker = taken(5, 6, 7)
    tracker.done(record(6))
    assert tracker.floor is None
    tracker.done(record(5))
    assert (tracker.floor, tracker.last.offset) == (7, 6)


def test_the_floor_rises_over_gaps():
    tracker = taken(5, 9)
    tracker.done(record(5))
    assert tracker.floor == 6
    tracker.done(record(9))
    assert tracker.floor == 10


def test_what_was_taken_is_not_taken_again():
    tracker = taken(5)
    assert not tracker.take(5)
    assert not tracker.take(4)
    assert len(tracker) == 1


@given(st.sets(st.integers(0, 10_000), min_size=1, max_size=50).map(sorted), st.randoms())
def test_in_every_order_the_floor_is_just_past_the_finished_prefix(offsets, chance):
    tracker = taken(*offsets)
    finished = set()
    for offset in chance.sample(offsets, len(offsets)):
        tracker.done(record(offset))
        finished.add(offset)
        prefix = []
        for each in offsets:
            if each not in finished:
                break
            prefix.append(each)
        assert tracker.floor == (prefix[-1] + 1 if prefix else None)
    assert len(tracker) == 0
