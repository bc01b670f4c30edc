"""No answer before the sync; after a fault, none at all."""

import asyncio
import contextlib
import errno
import os
import threading
from pathlib import Path

import pytest
from looking import until

from metaqore_mesh.spool import SpoolFailed, SpoolLocked
from metaqore_mesh.spool.disk import PosixDisk
from metaqore_mesh.spool.segments import segment_paths


class StalledDisk(PosixDisk):
    """A disk whose sync returns only when told."""

    def __init__(self):
        self.syncing = threading.Event()
        self.may_sync = threading.Event()

    def sync(self, descriptor):
        self.syncing.set()
        assert self.may_sync.wait(60)
        super().sync(descriptor)


class FaultyDisk(PosixDisk):
    """A disk of which one call fails from some time on. Counts what is asked of it afterwards."""

    def __init__(self, call, code):
        self.call = call
        self.code = code
        self.broken = False
        self.asked_again = 0

    def _fault(self, call):
        if self.broken:
            self.asked_again += 1
            if call == self.call:
                raise OSError(self.code, os.strerror(self.code))

    def write(self, descriptor, content, offset):
        self._fault("write")
        super().write(descriptor, content, offset)

    def sync(self, descriptor):
        self._fault("sync")
        super().sync(descriptor)

    def create(self, path, content):
        self._fault("create")
        return super().create(path, content)


class FullDisk(PosixDisk):
    """A disk that the kernel says is full: a real ENOSPC."""

    full = False

    def write(self, descriptor, content, offset):
        if self.full:
            with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
                os.dup2(full.fileno(), descriptor)
        super().write(descriptor, content, offset)


async def test_an_opening_that_is_given_up_holds_the_directory_until_it_has_ended(make):
    await (await make.spool()).close()
    disk = StalledDisk()
    opening = asyncio.create_task(make.spool(disk=disk))
    assert await asyncio.to_thread(disk.syncing.wait, 10)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with pytest.raises(SpoolLocked):
        await make.spool()
    disk.may_sync.set()
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(SpoolLocked):
                await (await make.spool()).close()
                break
            await asyncio.sleep(0.01)


async def test_no_append_returns_before_its_sync(make):
    disk = StalledDisk()
    disk.may_sync.set()
    spool = await make.spool(disk=disk)
    disk.may_sync.clear()
    disk.syncing.clear()
    first = spool.append("org_a", make.decision(0))
    while not disk.syncing.is_set():
        await asyncio.sleep(0.001)
    rest = [spool.append("org_a", make.decision(n)) for n in range(1, 20)]
    reading = asyncio.create_task(spool.reader(1).next_groups())
    await asyncio.sleep(0.1)
    assert not any(waiting.done() for waiting in (first, *rest, reading))
    assert spool.durable_through == 0
    disk.may_sync.set()
    assert [done.sequence for done in await asyncio.gather(first, *rest)] == list(range(1, 21))
    assert (await reading)[0].last_sequence == 1


async def test_a_disk_that_stalls_makes_the_spool_not_ready(make, monkeypatch):
    monkeypatch.setattr("metaqore_mesh.spool.file_spool.STALL_S", 0.02)
    disk = StalledDisk()
    disk.may_sync.set()
    spool = await make.spool(disk=disk)
    assert spool.readiness() is None
    disk.may_sync.clear()
    waiting = spool.append("org_a", make.decision(0))
    await until(lambda: "not answered" in (spool.readiness() or ""))
    assert spool.liveness() is None
    disk.may_sync.set()
    await waiting
    assert spool.readiness() is None


@pytest.mark.parametrize("call", ["write", "sync"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
async def test_after_a_fault_nothing_is_acknowledged_and_nothing_tried_again(make, call, code):
    disk = FaultyDisk(call, code)
    spool = await make.spool(disk=disk)
    await spool.append("org_a", make.decision("good"))
    disk.broken = True
    waiting = [spool.append("org_a", make.decision(n)) for n in range(50)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {SpoolFailed}
    asked = disk.asked_again
    with pytest.raises(SpoolFailed, match=os.strerror(code)) as failed:
        await spool.append("org_a", make.decision("late"))
    assert failed.value.retryable
    await asyncio.sleep(0.02)
    assert disk.asked_again == asked
    assert spool.durable_through == 1
    assert os.strerror(code) in spool.liveness()
    assert spool.readiness()
    with pytest.raises(SpoolFailed):
        await spool.wait_for(2)
    spool.release("sealed", 1)
    with pytest.raises(SpoolFailed):
        await spool.sealed()


async def test_what_was_durable_before_a_fault_can_still_be_read(make):
    disk = FaultyDisk("sync", errno.EIO)
    spool = await make.spool(disk=disk)
    await spool.append("org_a", make.decision("good"))
    disk.broken = True
    with pytest.raises(SpoolFailed):
        await spool.append("org_a", make.decision("bad"))
    reader = spool.reader(1)
    assert [group.last_sequence for group in await reader.next_groups()] == [1]
    with pytest.raises(SpoolFailed):
        await reader.next_groups()


async def test_a_segment_that_cannot_be_made_is_a_fault(make):
    disk = FaultyDisk("create", errno.ENOSPC)
    spool = await make.spool(disk=disk, limits={"segment_bytes": 2_000, "disk_bytes": 100_000})
    disk.broken = True

    async def fill():
        for n in range(100):
            await spool.append("org_a", make.decision(n))

    with pytest.raises(SpoolFailed):
        await fill()
    acknowledged = spool.durable_through
    assert 0 < acknowledged < 10
    await spool.close()
    again = await make.spool()
    assert again.durable_through == acknowledged


async def test_a_close_that_fails_is_a_fault_and_closes_no_file_twice(make):
    """By then its number may be another file's, or a connection's."""
    closed = []

    class Failing(PosixDisk):
        def close(self, descriptor):
            closed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            super().close(descriptor)
            if len(closed) == 1:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def fill(spool):
        for n in range(100):
            await spool.append("org_a", make.decision(n))

    spool = await make.spool(limits={"segment_bytes": 2_000, "disk_bytes": 100_000}, disk=Failing())
    with pytest.raises(SpoolFailed, match="Input/output error"):
        await fill(spool)
    await spool.close()
    assert closed == segment_paths(make.directory)


async def test_the_kernels_own_enospc_is_a_fault_and_a_restart_finds_all_that_was_acknowledged(make):
    disk = FullDisk()
    spool = await make.spool(disk=disk)
    for n in range(5):
        await spool.append("org_a", make.decision(n))
    disk.full = True
    with pytest.raises(SpoolFailed, match="No space left"):
        await spool.append("org_a", make.decision("late"))
    await spool.close()
    again = await make.spool()
    assert again.durable_through == 5
    assert (await again.append("org_a", make.decision("late"))).sequence == 6


async def test_an_error_that_is_not_the_disks_fails_the_spool_too(make):
    class Broken(PosixDisk):
        def sync(self, descriptor):
            if self.broken:
                raise MemoryError
            super().sync(descriptor)

        broken = False

    disk = Broken()
    spool = await make.spool(disk=disk)
    disk.broken = True
    with pytest.raises(SpoolFailed, match="MemoryError"):
        await spool.append("org_a", make.decision(0))


async def test_writes_that_the_kernel_takes_in_pieces_arrive_whole(make, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, content, offset: real(descriptor, content[:100], offset))
    spool = await make.spool()
    for n in range(5):
        await spool.append("org_a", make.decision(n))
    await spool.close()
    monkeypatch.undo()
    again = await make.spool()
    assert again.durable_through == 5


async def test_a_group_that_cannot_be_signed_is_a_fault_too(make):
    """Written on behind its records, the spool would lack their numbers, and never open again."""
    times = iter([1])
    spool = await make.spool(clock=lambda: next(times))
    await spool.append("org_a", make.decision("good"))
    unsigned = spool.append("org_a", make.decision("bad"))
    with pytest.raises(SpoolFailed):
        await asyncio.wait_for(unsigned, 60)
    with pytest.raises(SpoolFailed):
        spool.append("org_a", make.decision("late"))
    await asyncio.wait_for(spool.close(), 60)
    again = await make.spool()
    assert again.durable_through == 1
