"""The spool in files: numbers, encodes and queues on the event loop; a thread makes it durable."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterable
from functools import partial
from pathlib import Path
from typing import Self

import structlog

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.merkle import leaf_hash
from metaqore_governance_core.records import MAX_RECORD_BYTES, DecisionRecord, OutcomeRecord, Record
from metaqore_governance_core.writer_state import WriterState
from metaqore_mesh.directories import make_directory
from metaqore_mesh.keys import WriterKey
from metaqore_mesh.spool import metrics
from metaqore_mesh.spool.committer import Committed, Committer, Entry, Listener
from metaqore_mesh.spool.disk import Disk, PosixDisk, try_lock
from metaqore_mesh.spool.errors import RecordTooLarge, SpoolClosed, SpoolFailed, SpoolFull, SpoolLocked
from metaqore_mesh.spool.groups import Appended, Clock, GroupSigner, StoredGroup
from metaqore_mesh.spool.limits import SpoolLimits
from metaqore_mesh.spool.port import Build
from metaqore_mesh.spool.readable import Readable, Reader, Tail
from metaqore_mesh.spool.record_codec import encode_record
from metaqore_mesh.spool.recovery import Recovered, recover
from metaqore_mesh.spool.segments import Segment
from metaqore_mesh.telemetry.tracing import carrier
from metaqore_mesh.telemetry.tracing import enabled as tracing_enabled

log = structlog.get_logger(__name__)

SEALED = "sealed"
"""The holder that releases what signed checkpoints cover."""

STALL_S = 5.0
"""A write and sync that takes longer makes the spool not ready."""

_FRAME_BYTES = 640
"""At most what a group adds to its records: frame, head and signature."""


def sampled_traceparent() -> str | None:
    """The current span as W3C trace context, where its trace is sampled: the lowest bit of the flags."""
    traceparent = carrier().get("traceparent")
    return traceparent if traceparent and int(traceparent[-2:], 16) & 1 else None


def _now_us() -> int:
    return time.time_ns() // 1000


def _given_up(lock: int, disk: Disk, recovering: asyncio.Task[Recovered]) -> None:
    """Give back what a recovery that nobody waits for any more has opened, and its lock."""
    if not recovering.cancelled() and recovering.exception() is None:
        disk.close(recovering.result().descriptor)
    os.close(lock)


class FileSpool:
    """The port `Spool` on a directory of a local disk. Open it with `open`, on the event loop that will use it."""

    def __init__(
        self,
        lock: int,
        recovered: Recovered,
        committer: Committer,
        *,
        disk: Disk,
        writer: str,
        limits: SpoolLimits,
        holders: Iterable[str],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = lock
        self._committer = committer
        self._disk = disk
        self._writer = writer
        self._limits = limits
        self._state = recovered.state
        self._readable = Readable(recovered.segments, Tail(limits.tail_bytes), recovered.state.next_sequence - 1)
        self._disk_bytes = self._readable.disk_bytes
        self._segment_bytes = recovered.segments[-1].end
        self._waiting_records = 0
        self._waiting_bytes = 0
        self._released = dict.fromkeys(holders, 0)
        self._trimming: asyncio.Task[None] | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self._failure: str | None = None
        self._closing = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._measure()
        listener = Listener(self._on_committed, self._on_failed, self._on_ended)
        committer.start(listener, recovered.descriptor, recovered.segments[-1].end)

    @classmethod
    async def open(
        cls,
        directory: Path,
        key: WriterKey,
        *,
        holders: Iterable[str] = (SEALED,),
        limits: SpoolLimits | None = None,
        clock: Clock = _now_us,
        disk: Disk | None = None,
    ) -> Self:
        """Recover what is there, or begin anew, and take records of the writer `key`.

        Nothing is removed before each of `holders` has released it. Raises `SpoolLocked`, `SpoolCorrupt`,
        `SpoolUnreadable`, `OSError`.
        """
        limits, disk = limits or SpoolLimits(), disk or PosixDisk()
        await asyncio.to_thread(make_directory, directory)
        lock = try_lock(directory / "lock")
        if lock is None:
            raise SpoolLocked(directory)
        recovering = asyncio.create_task(asyncio.to_thread(recover, directory, key.writer, disk))
        try:
            recovered = await asyncio.shield(recovering)
        except BaseException:
            recovering.add_done_callback(partial(_given_up, lock, disk))  # a thread that has begun goes on
            raise
        committer = Committer(directory, disk, GroupSigner(key, clock), limits, key.writer)
        return cls(lock, recovered, committer, disk=disk, writer=key.writer, limits=limits, holders=holders)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def writer(self) -> str:
        """Whose records these are."""
        return self._writer

    @property
    def state(self) -> WriterState:
        """The fold of all records appended, those that wait for the disk included. Not to be changed."""
        return self._state

    @property
    def durable_through(self) -> int:
        """The sequence of the last durable record; 0 for none."""
        return self._readable.durable_through

    @property
    def first_sequence(self) -> int:
        """The oldest record that can be read."""
        return self._readable.first_sequence

    @property
    def disk_bytes(self) -> int:
        """What the segments hold."""
        return self._disk_bytes

    def append(self, organization: str, build: Build) -> asyncio.Future[Appended]:
        """See `Spool.append`."""
        if self._failure is not None or self._closing:
            raise self._refusal()
        state = self._state
        numbers = state.numbers(self._writer, organization)
        record = build(numbers)
        if record.organization != organization or record.writer != self._writer:
            raise ValueError("the record is of another organization or writer than its numbers")
        encoded = encode_record(record)
        size = len(encoded)
        if size > MAX_RECORD_BYTES:
            raise RecordTooLarge(size)
        self._admit(record, size)
        snapshot = state.copy() if self._segment_bytes >= self._limits.segment_bytes else None
        leaf = leaf_hash(encoded)
        state.apply(record, leaf.hex())
        if snapshot is not None:
            self._segment_bytes = 0
        self._segment_bytes += size
        self._waiting_records += 1
        self._waiting_bytes += size + _FRAME_BYTES
        future: asyncio.Future[Appended] = self._loop.create_future()
        traceparent = sampled_traceparent() if tracing_enabled() else None
        self._committer.put(
            Entry(numbers.sequence, encoded, leaf, snapshot=snapshot, future=future, traceparent=traceparent)
        )
        return future

    async def read(self, from_sequence: int) -> AsyncIterator[StoredGroup]:
        """See `Spool.read`."""
        reader = self.reader(from_sequence)
        while True:
            for group in await reader.next_groups():
                yield group

    def reader(self, from_sequence: int) -> Reader:
        """As `read`, for those who want all groups that are there at once, and their place."""
        return Reader(self._readable, self.wait_for, from_sequence)

    async def wait_for(self, sequence: int) -> None:
        """Return once `sequence` is durable. Raises `SpoolFailed` or `SpoolClosed` where it never will be."""
        while self._readable.durable_through < sequence:
            if self._failure is not None or self._ended.done():
                raise self._refusal()
            await self._change()

    @property
    def sealed_through(self) -> int:
        """Up to which sequence signed checkpoints cover the records; 0 before the auditor's first word."""
        return self._released[SEALED]

    async def sealed(self) -> None:
        """Return once every record appended so far is sealed. Raises `SpoolFailed` where one never will be durable."""
        through = self._state.next_sequence - 1
        while self.sealed_through < through:
            if self._failure is not None and self.sealed_through >= self.durable_through:
                raise self._refusal()
            await self._change()

    def release(self, holder: str, through_sequence: int) -> None:
        """See `Spool.release`. Raises `KeyError` for a holder that `open` was not told of."""
        if through_sequence <= self._released[holder]:
            return
        self._released[holder] = through_sequence
        self._wake()
        if self._trimming is None and self._readable.removable(min(self._released.values())):
            self._trimming = self._loop.create_task(self._trim())

    def liveness(self) -> str | None:
        """Why only a restart can help; None while none is needed."""
        return None if self._failure is None else f"the spool has failed: {self._failure}"

    def readiness(self) -> str | None:
        """Why no task should come now; None while they may."""
        if self._failure is not None or self._closing:
            return str(self._refusal())
        since = self._committer.busy_since
        if since is not None and time.monotonic() - since > STALL_S:
            return f"the disk has not answered for {time.monotonic() - since:.0f} s"
        # A task needs room for a decision, which is as large as an outcome, beside what is kept for its outcome.
        if self._room_bytes(len(self._state.open) + 1) < self._limits.outcome_bytes + _FRAME_BYTES:
            return "the spool is full"
        return None

    def refuse(self, cause: str) -> None:
        """Take nothing more, as after a failure of the disk: for one who knows that going on would do harm."""
        if self._failure is None:
            self._failure = cause
            metrics.FAILED.set(1)
            log.error("spool.failed", cause=cause, durable_through=self.durable_through)

    async def close(self) -> None:
        """Take nothing more, make durable what waits, give the directory back."""
        if not self._closing:
            self._closing = True
            self._committer.close()
        await asyncio.shield(self._ended)
        if self._trimming:
            await asyncio.wait([self._trimming])

    def _refusal(self) -> MetaQoreError:
        code = "spool_closed" if self._failure is None else "spool_failed"
        metrics.REFUSED.labels(code).inc()
        return SpoolClosed() if self._failure is None else SpoolFailed(self._failure)

    def _room_bytes(self, open_decisions: int) -> int:
        """What is left on the disk beside the outcomes to come."""
        taken = self._disk_bytes + self._waiting_bytes + open_decisions * self._limits.outcome_bytes
        return self._limits.disk_bytes - taken

    def _admit(self, record: Record, size: int) -> None:
        """Raise `SpoolFull` where the record has no room. The room of an outcome was kept at its decision."""
        if isinstance(record, OutcomeRecord):
            opened = 0
        else:
            if self._waiting_records >= self._limits.waiting_records:
                self._refuse_full(f"{self._waiting_records} records wait for the disk. Try again soon.")
            opened = len(self._state.open) + isinstance(record, DecisionRecord)
        if self._room_bytes(opened) < size + _FRAME_BYTES:
            self._refuse_full("It holds all it may until the auditor has sealed more. See that the auditor runs.")

    def _refuse_full(self, why: str) -> None:
        metrics.REFUSED.labels("spool_full").inc()
        raise SpoolFull(f"The audit spool is full: {why}")

    def _on_committed(self, group: Committed) -> None:
        signed, stored = group.signed, group.stored
        readable = self._readable
        if group.opened is not None:
            readable.segments.append(group.opened)
            self._disk_bytes += group.opened.end
        newest = readable.segments[-1]
        self._disk_bytes += group.end - newest.end
        newest.end = group.end
        readable.tail.add(stored)
        readable.durable_through = stored.last_sequence
        self._waiting_records -= stored.count
        for entry in group.entries:
            self._waiting_bytes -= len(entry.record) + _FRAME_BYTES
            if not entry.future.done():  # cancelled: nobody waits, and the record is there all the same
                entry.future.set_result(Appended(entry.sequence, entry.leaf_hash, signed))
        self._wake()
        self._measure()
        metrics.RECORDS.inc(stored.count)
        metrics.GROUP_RECORDS.observe(stored.count)
        metrics.SYNC_SECONDS.observe(group.sync_s)

    def _on_failed(self, error: BaseException, batch: list[Entry]) -> None:
        # Without its path: clients see this.
        self.refuse((isinstance(error, OSError) and error.strerror) or type(error).__name__)
        for entry in (*batch, *self._committer.leftover()):
            if not entry.future.done():
                entry.future.set_exception(self._refusal())
        self._wake()

    def _on_ended(self) -> None:
        os.close(self._lock)
        if not self._ended.done():
            self._ended.set_result(None)
        self._wake()

    async def _change(self) -> None:
        """Wait until a group is durable, a holder releases, or the spool fails or ends."""
        waiter = self._loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _measure(self) -> None:
        metrics.DISK_BYTES.set(self._disk_bytes)
        metrics.WAITING_RECORDS.set(self._waiting_records)
        metrics.OPEN_DECISIONS.set(len(self._state.open))

    async def _trim(self) -> None:
        """Remove, oldest first, what all have released."""
        readable = self._readable
        try:
            while removable := readable.removable(min(self._released.values())):
                await asyncio.to_thread(self._disk.remove, [segment.path for segment in removable])
                self._forget(removable)
        except OSError as error:
            log.warning("spool.trim_failed", cause=str(error))  # they stay, and the next release tries again
        finally:
            self._trimming = None

    def _forget(self, removed: list[Segment]) -> None:
        del self._readable.segments[: len(removed)]
        self._disk_bytes -= sum(segment.end for segment in removed)
        self._measure()
        log.debug("spool.trimmed", segments=len(removed), first_sequence=self.first_sequence)
