"""From the spool through a real broker, which may die with all that it acked, and back."""

import asyncio
import contextlib
import secrets
import threading

import pytest

from metaqore_governance_core.contracts.topics import AUDIT_RECORDS
from metaqore_governance_core.group import parse_group, verify_group
from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.keys import WriterKey
from metaqore_mesh.spool import Pace, Shipper
from metaqore_mesh.spool.disk import PosixDisk
from metaqore_mesh.testing.kafka_bench import Bench

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

PACE = Pace(poll_s=0.05, stalled=Backoff(first_s=1.0, most_s=2.0))


class Auditor:
    """Reads the topic, takes each record of one writer once and in order, and says how far it is."""

    def __init__(self, key):
        self.key = key
        self.records = []
        self.away = False

    async def __call__(self, messages):
        for message in messages:
            if message.key == self.key.writer.encode() and not self.away:
                self._take(parse_group(message.value))

    def _take(self, group):
        verify_group(group, self.key.public_bytes)
        due = len(self.records) + 1
        if group.head.first_sequence <= due:
            self.records += group.records[due - group.head.first_sequence :]

    async def progress(self, writer):
        assert writer == self.key.writer
        return len(self.records)


@pytest.fixture
def key(make):
    """A writer of this test's own: the broker outlives it."""
    return WriterKey(f"gw-{secrets.token_hex(13).translate(str.maketrans('0189', 'wxyz'))}", make.key.private_key)


@contextlib.asynccontextmanager
async def shipped(spool, settings, auditor):
    async with Bench(settings, AUDIT_RECORDS).reading(auditor) as (bus, _):
        shipper = Shipper(spool, bus.publisher, auditor.progress, PACE)
        shipping = asyncio.create_task(shipper.run())
        yield shipper
        shipping.cancel()
        await asyncio.wait([shipping])


class HeldDisk(PosixDisk):
    """A disk whose first sync waits, so that all else gathers behind it."""

    def __init__(self):
        self.go_on = threading.Event()

    def sync(self, descriptor):
        assert self.go_on.wait(10)
        super().sync(descriptor)


async def test_a_group_as_large_as_they_come_arrives(make, key, kafka_settings):
    disk, auditor = HeldDisk(), Auditor(key)
    disk.go_on.set()
    spool = await make.spool(key=key, disk=disk)
    disk.go_on.clear()
    async with shipped(spool, kafka_settings, auditor):
        appends = [spool.append("org_a", make.decision(n, reasons=["x" * 64_000])) for n in range(30)]
        disk.go_on.set()
        await asyncio.gather(*appends)
        await asyncio.wait_for(spool.sealed(), 30)
    assert len(auditor.records) == 30
    reader = spool.reader(1)
    assert max(len(group.value) for group in await reader.next_groups()) > 512 << 10


async def test_a_broker_that_dies_with_what_it_acked_is_told_again(make, key, mortal_broker):
    spool, auditor = await make.spool(key=key), Auditor(key)
    async with shipped(spool, mortal_broker.settings, auditor) as shipper:
        for life in range(2):
            auditor.away = True
            await asyncio.gather(*(spool.append("org_a", make.decision(f"{life}-{n}")) for n in range(50)))
            await shipper.acked(spool.durable_through)
            mortal_broker.kill()
            await asyncio.gather(*(spool.append("org_a", make.decision(f"{life}-{n}")) for n in range(50, 100)))
            mortal_broker.start()
            auditor.away = False
            await asyncio.wait_for(spool.sealed(), 60)
    assert len(auditor.records) == 200
