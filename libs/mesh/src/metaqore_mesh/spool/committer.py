"""The committing thread: one frame, one signature and one fdatasync for all records that wait."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from metaqore_governance_core.writer_state import WriterState
from metaqore_mesh.spool.disk import Disk
from metaqore_mesh.spool.frames import frame
from metaqore_mesh.spool.groups import Appended, GroupSigner, SignedGroup, StoredGroup, group_bytes
from metaqore_mesh.spool.limits import SpoolLimits
from metaqore_mesh.spool.segments import Segment, header, segment_path


class Entry:
    """A numbered record that waits. `snapshot`, where it has one, is the state before it: it opens a new segment."""

    __slots__ = ("future", "leaf_hash", "record", "sequence", "snapshot", "traceparent")

    def __init__(
        self,
        sequence: int,
        record: bytes,
        leaf_hash: bytes,
        *,
        snapshot: WriterState | None,
        future: asyncio.Future[Appended],
        traceparent: str | None,
    ) -> None:
        self.sequence = sequence
        self.record = record
        self.leaf_hash = leaf_hash
        self.snapshot = snapshot
        self.future = future
        self.traceparent = traceparent


@dataclass(frozen=True, slots=True)
class Committed:
    """A group that is durable. `opened` is the segment that it begins, `end` where its frame ends, in bytes."""

    entries: list[Entry]
    signed: SignedGroup
    stored: StoredGroup
    opened: Segment | None
    end: int
    sync_s: float


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of it, on the event loop: each group in order, then either the failure or the orderly end."""

    committed: Callable[[Committed], None]
    failed: Callable[[BaseException, list[Entry]], None]
    ended: Callable[[], None]


class Committer:
    """Takes entries in order and commits whatever has gathered while the last group was synced.

    The first error ends the thread: after a failed write or sync nobody knows what the file holds, and a second
    fdatasync may succeed without having written anything. Nothing is ever tried again on that file.
    """

    def __init__(
        self,
        directory: Path,
        disk: Disk,
        signer: GroupSigner,
        limits: SpoolLimits,
        writer: str,
    ) -> None:
        self._directory = directory
        self._disk = disk
        self._signer = signer
        self._limits = limits
        self._writer = writer
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._next: Entry | None = None
        self._gathered = 1
        self._descriptor = -1
        self._end = 0
        self.busy_since: float | None = None
        """`time.monotonic()` when the write and sync now in progress began."""

    def start(self, listener: Listener, descriptor: int, end: int) -> None:
        """Go on behind `end`, in bytes, of an open segment. `listener` hears on the event loop that runs now."""
        loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._end = end
        # A daemon: a disk that hangs must not keep the process from ending.
        threading.Thread(target=self._run, args=(loop, listener), name="spool-committer", daemon=True).start()

    def put(self, entry: Entry | None) -> None:
        """Queue an entry; None ends the thread once all before it are durable."""
        self._queue.put(entry)

    def leftover(self) -> list[Entry]:
        """What was queued and will not be written. Only once the thread has ended."""
        left = [] if self._next is None else [self._next]
        with contextlib.suppress(queue.Empty):
            while True:
                entry = self._queue.get_nowait()
                if entry is not None:
                    left.append(entry)
        return left

    def _run(self, loop: asyncio.AbstractEventLoop, listener: Listener) -> None:
        def tell(heard: Callable[..., None], *told: object) -> None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits any more
                loop.call_soon_threadsafe(heard, *told)

        batch: list[Entry] = []
        try:
            while (first := self._next or self._queue.get()) is not None:
                self._next = None
                batch = [first]
                last = self._gather(batch)
                tell(listener.committed, self._commit(batch))
                if last:
                    break
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            tell(listener.failed, error, batch)
        finally:
            with contextlib.suppress(OSError):
                self._disk.close(self._descriptor)
            tell(listener.ended)

    def _gather(self, batch: list[Entry]) -> bool:
        """Add what waits, up to the limits of a group; True where the end was reached."""
        if self._limits.gather_s and 1 + self._queue.qsize() < self._gathered:
            time.sleep(self._limits.gather_s)  # the last group had several: as many are likely on their way
        try:
            return self._take_waiting(batch)
        finally:
            self._gathered = len(batch)

    def _take_waiting(self, batch: list[Entry]) -> bool:
        take = self._queue.get_nowait
        room_bytes = self._limits.group_bytes - len(batch[0].record)
        with contextlib.suppress(queue.Empty):
            while len(batch) < self._limits.group_records and room_bytes > 0:
                entry = take()
                if entry is None:
                    return True
                if entry.snapshot is not None:
                    self._next = entry
                    break
                batch.append(entry)
                room_bytes -= len(entry.record)
        return False

    def _commit(self, batch: list[Entry]) -> Committed:
        first = batch[0]
        signed = self._signer.sign(first.sequence, [entry.leaf_hash for entry in batch])
        value = group_bytes(signed, [entry.record for entry in batch])
        content = frame(value)
        self.busy_since = started = time.monotonic()
        opened = self._open_segment(first.sequence, first.snapshot) if first.snapshot is not None else None
        self._disk.write(self._descriptor, content, self._end)
        self._disk.sync(self._descriptor)
        self.busy_since = None
        self._end += len(content)
        traceparents = tuple([entry.traceparent for entry in batch if entry.traceparent is not None])
        stored = StoredGroup(first.sequence, len(batch), value, traceparents)
        return Committed(batch, signed, stored, opened, self._end, time.monotonic() - started)

    def _open_segment(self, first_sequence: int, snapshot: WriterState) -> Segment:
        path = segment_path(self._directory, first_sequence)
        content = frame(header(self._writer, snapshot))
        descriptor = self._disk.create(path, content)
        self._disk.close(self._descriptor)
        self._descriptor, self._end = descriptor, len(content)
        return Segment(first_sequence, path, self._end)
