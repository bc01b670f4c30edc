import asyncio

import grpc
import pytest

from metaqore.psmp.v1 import history_pb2
from metaqore.psmp.v1 import watch_pb2 as pb
from metaqore_ai_gateway.service.psmp.asked import Happened, Kind, Ref
from metaqore_ai_gateway.service.psmp.reading_ports import PastEvent
from metaqore_ai_gateway.service.psmp.watching import WatchFilter
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.work import Started
from metaqore_mesh.errors import error_of_call


def past(number):
    happened = Happened(number, Ref(Kind.TASK, "t1"), number, Started("bob", number))
    return PastEvent(f"p1@{number}", "acme", "p1", happened, "t1", "", number)


class Feed:
    """Gives what is put into `queue`; an exception ends it."""

    def __init__(self, door):
        self.queue = asyncio.Queue()
        self.closed = asyncio.Event()
        self.asked = None
        door.watching.methods = {"watch": self.watch}

    async def watch(self, caller, wanted, after):
        self.asked = (caller.name, wanted, after)
        try:
            while True:
                one = await self.queue.get()
                if isinstance(one, Exception):
                    raise one
                yield one
        finally:
            self.closed.set()


@pytest.fixture
def feed(door):
    return Feed(door)


async def test_events_are_told_as_they_come_until_the_caller_leaves(door, feed):
    request = pb.WatchRequest(
        project_ids=["p1"],
        aggregate=history_pb2.AGGREGATE_TASK,
        aggregate_id="t1",
        names=["task.Started"],
        after_event_ids=["p1@3"],
    )
    call = door.start("WatchService.Watch", request)
    for number in (4, 5):
        feed.queue.put_nowait(past(number))
        told = await call.read()
        assert (told.event.id, told.event.name, told.event.aggregate) == (f"p1@{number}", "task.Started", 2)
    wanted = WatchFilter(frozenset({"p1"}), Kind.TASK, "t1", frozenset({"task.Started"}))
    assert feed.asked == ("ann", wanted, ("p1@3",))
    assert not feed.closed.is_set()
    call.cancel()
    async with asyncio.timeout(10):
        await feed.closed.wait()


async def test_silence_has_signs_of_life(door, feed):
    call = door.start("WatchService.Watch", pb.WatchRequest(heartbeat_s=1))
    assert not (await call.read()).HasField("event")
    feed.queue.put_nowait(past(1))
    assert (await call.read()).HasField("event")
    call.cancel()
    async with asyncio.timeout(10):
        await feed.closed.wait()


async def test_who_does_not_keep_up_is_told(door, feed):
    feed.queue.put_nowait(MetaQoreError("watcher_slow", "Begin again.", kind=ErrorKind.EXHAUSTED, retryable=True))
    ended = await door.refused("WatchService.Watch", pb.WatchRequest())
    assert (ended.code(), error_of_call(ended).code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "watcher_slow")


@pytest.mark.parametrize("silent", [True, False])
async def test_a_key_that_is_revoked_watches_no_more(door, feed, revoke, silent):
    call = door.start("WatchService.Watch", pb.WatchRequest(heartbeat_s=3600))
    feed.queue.put_nowait(past(1))
    assert (await call.read()).HasField("event")
    revoke("ann")
    telling = None if silent else asyncio.create_task(tell_on(feed))
    try:
        async with asyncio.timeout(10):
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await read_on(call)
            await feed.closed.wait()
    finally:
        if telling:
            telling.cancel()
    assert (ended.value.code(), error_of_call(ended.value).code) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "invalid_api_key",
    )


async def read_on(call):
    while await call.read() is not grpc.aio.EOF:
        pass


async def tell_on(feed):
    number = 1
    while True:
        feed.queue.put_nowait(past(number := number + 1))
        await asyncio.sleep(0.03)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.WatchRequest(heartbeat_s=3601), "heartbeat_s"),
        (pb.WatchRequest(aggregate=9), "aggregate"),
        (pb.WatchRequest(project_ids=[""]), "project_ids"),
        (pb.WatchRequest(names=["x"] * 201), "names"),
        (pb.WatchRequest(aggregate_id="x" * 257), "aggregate_id"),
        (pb.WatchRequest(after_event_ids=["x"] * 201), "after_event_ids"),
    ],
)
async def test_what_is_wrong_is_named(door, feed, request_, field):
    error = error_of_call(await door.refused("WatchService.Watch", request_))
    assert (error.code, error.reasons, feed.asked) == ("invalid_request", (field,), None)
