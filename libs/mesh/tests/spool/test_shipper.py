"""Groups reach the log whatever the broker forgets and whenever the auditor is away."""

import asyncio
import contextlib
import random
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import format_trace_id

from metaqore_governance_core.contracts.cloudevents import parse_event_headers
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.group import parse_group, verify_group
from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.spool import Pace, Shipper, SpoolBehindLog, SpoolClosed, SpoolFailed
from metaqore_mesh.telemetry.tracing import provided, span

FAST = Pace(
    gather_s=0,
    poll_s=0.005,
    silent=Backoff(first_s=0.005, most_s=0.01),
    refused=Backoff(first_s=0.005, most_s=0.01),
    stalled=Backoff(first_s=0.08, most_s=0.1),
)


def unavailable():
    return MetaQoreError("broker_unavailable", "Try again.", kind=ErrorKind.UNAVAILABLE, retryable=True)


class Log:
    """A broker and an auditor in one: takes messages in order, by writer and sequence, and seals them at once."""

    def __init__(self):
        self.sealed = 0
        self.records = []
        self.messages = []
        self.refuse = self.forget = self.lose_acks = lambda: False
        self.silent = False
        self.took = asyncio.Event()

    async def send(self, topic, key, value, headers=()):
        self.messages.append((topic, key, value, headers))
        if self.refuse():
            raise unavailable()
        if not self.forget():
            self._take(value)
        ack = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.001, self._settle, ack, self.lose_acks())
        return ack

    def _settle(self, ack, lost):
        if ack.done():
            return
        if lost:
            ack.set_exception(unavailable())
        else:
            ack.set_result(None)

    def _take(self, value):
        head, records = (group := parse_group(value)).head, group.records
        if head.first_sequence <= self.sealed + 1:
            self.records += records[self.sealed + 1 - head.first_sequence :]
            self.took.set()
            self.sealed = max(self.sealed, head.first_sequence + head.count - 1)

    async def progress(self, writer):
        assert writer.startswith("gw-")
        if self.silent:
            raise unavailable()
        return self.sealed


def one_in(many):
    chance = random.Random(many)  # noqa: S311 - the same faults at every run
    return lambda: chance.random() < 1 / many


@contextlib.asynccontextmanager
async def shipping(spool, log, pace=FAST):
    shipper = Shipper(spool, log, log.progress, pace)
    task = asyncio.create_task(shipper.run())
    yield task
    task.cancel()
    await asyncio.wait([task])


async def append(make, spool, numbers):
    for n in numbers:
        await spool.append("org_a", make.decision(n))


async def sealed(spool):
    await asyncio.wait_for(spool.sealed(), 60)


async def test_each_group_is_one_cloud_event_keyed_by_its_writer(make):
    spool, log = await make.spool(), Log()
    async with shipping(spool, log):
        await append(make, spool, range(3))
        await sealed(spool)
    assert len(log.messages) == 3
    for sequence, (topic, key, value, headers) in enumerate(log.messages, 1):
        assert (topic, key) == ("metaqore.audit.records.v1", spool.writer.encode())
        verify_group(parse_group(value), make.key.public_bytes)
        event = parse_event_headers(headers)
        assert (event.type, event.id) == ("metaqore.audit.recorded.v1", f"{spool.writer}/{sequence}")


async def test_the_first_group_goes_at_once_and_those_close_behind_it_go_together(make):
    spool, log = await make.spool(), Log()
    together = []
    hand_over = log.send

    async def send(*message):
        if not together or together[-1].done():
            together.append(asyncio.get_running_loop().create_future())
            asyncio.get_running_loop().call_soon(together[-1].set_result, None)
        return await hand_over(*message)

    log.send = send
    async with shipping(spool, log, replace(FAST, gather_s=0.5)):
        await append(make, spool, range(1))
        async with asyncio.timeout(0.4):
            await log.took.wait()
        await append(make, spool, range(1, 6))
        await sealed(spool)
    assert (len(log.messages), len(together)) == (6, 2)


async def test_sealed_records_leave_the_spool(make):
    spool, log = await make.spool(limits={"segment_bytes": 3_000, "disk_bytes": 1_000_000}), Log()
    async with shipping(spool, log):
        await append(make, spool, range(40))
        await sealed(spool)
        assert spool.sealed_through == 40
    await spool.close()
    assert len(list(make.directory.glob("*.seg"))) == 1


async def test_a_forgetful_broker_is_told_again(make):
    spool, log = await make.spool(), Log()
    lost = iter([True] * 12)
    log.forget = lambda: next(lost, False)
    async with shipping(spool, log):
        await append(make, spool, range(20))
        await sealed(spool)
    assert len(log.records) == 20


async def test_a_refused_group_is_sent_again_in_order(make):
    spool, log = await make.spool(), Log()
    log.refuse = log.lose_acks = one_in(3)
    async with shipping(spool, log):
        await append(make, spool, range(60))
        await sealed(spool)
    assert log.records == [record for group in await everything(spool) for record in parse_group(group.value).records]


async def everything(spool):
    return await spool.reader(spool.first_sequence).next_groups()


async def test_at_the_start_only_what_is_not_sealed_is_sent(make):
    spool, log = await make.spool(), Log()
    await append(make, spool, range(10))
    log.sealed = 7
    async with shipping(spool, log):
        await sealed(spool)
    assert [parse_group(value).head.first_sequence for _, _, value, _ in log.messages] == [8, 9, 10]


async def test_nothing_is_sent_twice_while_the_auditor_is_silent(make):
    spool, log = await make.spool(), Log()
    async with shipping(spool, log):
        await append(make, spool, [0])
        await sealed(spool)
        log.silent = True
        await append(make, spool, [1, 2])
        await asyncio.sleep(0.3)
        assert len(log.messages) == 3
        assert spool.sealed_through == 1
        log.silent = False
        await sealed(spool)
    assert len(log.messages) == 3


async def test_it_waits_for_an_auditor_that_starts_later(make):
    spool, log = await make.spool(), Log()
    log.silent = True
    async with shipping(spool, log):
        await append(make, spool, range(3))
        await asyncio.sleep(0.05)
        assert log.messages == []
        log.silent = False
        await sealed(spool)


async def test_a_spool_behind_its_log_refuses(make):
    spool, log = await make.spool(), Log()
    await append(make, spool, range(3))
    log.sealed = 5
    async with shipping(spool, log) as task:
        with pytest.raises(SpoolBehindLog, match="up to 5, this spool only up to 3"):
            await task
    with pytest.raises(SpoolFailed):
        spool.append("org_a", make.decision("next"))
    assert spool.liveness()


async def test_a_log_set_back_is_told_again_from_where_it_stands(make):
    spool, log = await make.spool(), Log()
    async with shipping(spool, log):
        await append(make, spool, range(10))
        await sealed(spool)
        log.sealed, log.records = 4, log.records[:4]
        log.took.clear()
        await append(make, spool, [10])
        async with asyncio.timeout(60):
            await log.took.wait()
    assert len(log.records) == 11


async def test_shipping_ends_with_its_spool(make):
    spool, log = await make.spool(), Log()
    async with shipping(spool, log) as task:
        await append(make, spool, [0])
        await spool.close()
        with pytest.raises(SpoolClosed):
            await task
    assert log.sealed == 1


async def test_shipping_goes_on_while_records_come(make):
    spool, log = (
        await make.spool(limits={"segment_bytes": 20_000, "disk_bytes": 10_000_000, "tail_bytes": 2_000}),
        Log(),
    )
    log.refuse = one_in(20)
    async with shipping(spool, log):

        async def appender(name):
            for n in range(30):
                await spool.append("org_a", make.decision(f"{name}-{n}"))

        await asyncio.gather(*map(appender, range(20)))
        await sealed(spool)
    assert len(log.records) == len(set(log.records)) == 600


async def test_a_message_names_the_recorded_traces_of_its_records(make):
    provider = TracerProvider()
    spool, log = await make.spool(), Log()
    with provided(provider):
        with span("task") as current:
            waiting = spool.append("org_a", make.decision(0))
            trace_id = format_trace_id(current.get_span_context().trace_id)
        await waiting
        await spool.append("org_a", make.decision(1))
    async with shipping(spool, log):
        await sealed(spool)
    named = [[value for name, value in headers if name == "traceparent"] for *_, headers in log.messages]
    assert [len(each) for each in named] == [1, 0]
    assert trace_id in named[0][0].decode()
