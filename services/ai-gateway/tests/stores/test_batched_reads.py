import asyncio

import pytest

from metaqore_ai_gateway.adapters.batched_reads import BatchedReads


class Source:
    """Values under keys, and which keys were read together."""

    def __init__(self, **values):
        self.values, self.batches, self.gate = values, [], None

    async def read(self, keys):
        self.batches.append(sorted(keys))
        if self.gate is not None:
            await self.gate.wait()
        if "broken" in keys:
            raise RuntimeError("the source is broken")
        return {key: self.values[key] for key in keys if key in self.values}


async def test_what_is_asked_at_once_is_read_at_once():
    source = Source(a=1, b=2)
    reads = BatchedReads("test", source.read)
    assert await asyncio.gather(*(reads.get(key) for key in ("a", "b", "a", "c"))) == [1, 2, 1, None]
    assert source.batches == [["a", "b", "c"]]


async def test_what_is_asked_meanwhile_is_read_next_and_sees_what_was_written():
    source = Source(a=1)
    source.gate = asyncio.Event()
    reads = BatchedReads("test", source.read)
    first = asyncio.create_task(reads.get("a"))
    await asyncio.sleep(0.01)
    later = [asyncio.create_task(reads.get(key)) for key in ("a", "b")]
    source.values = {"a": 3, "b": 4}
    source.gate.set()
    assert await asyncio.gather(first, *later) == [3, 3, 4]
    assert source.batches == [["a"], ["a", "b"]]


async def test_a_read_that_fails_fails_for_who_asked_and_nobody_after():
    source = Source(a=1)
    reads = BatchedReads("test", source.read)
    failed = await asyncio.gather(reads.get("a"), reads.get("broken"), return_exceptions=True)
    assert [type(one) for one in failed] == [RuntimeError, RuntimeError]
    assert await reads.get("a") == 1


async def test_who_stops_waiting_stops_nobody_else():
    source = Source(a=1)
    source.gate = asyncio.Event()
    reads = BatchedReads("test", source.read)
    one, other = (asyncio.create_task(reads.get("a")) for _ in range(2))
    await asyncio.sleep(0.01)
    one.cancel()
    source.gate.set()
    assert await other == 1
    with pytest.raises(asyncio.CancelledError):
        await one


async def test_nobody_waits_for_ever_for_a_reader_that_was_stopped():
    source = Source(a=1)
    source.gate = asyncio.Event()
    reads = BatchedReads("test", source.read)
    waiting = [asyncio.create_task(reads.get("a"))]
    await asyncio.sleep(0.01)
    waiting.append(asyncio.create_task(reads.get("b")))
    await asyncio.sleep(0.01)
    reads._reader.cancel()
    done, _ = await asyncio.wait(waiting, timeout=60)
    assert len(done) == 2
    assert all(one.cancelled() for one in done)
