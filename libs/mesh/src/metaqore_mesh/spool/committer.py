"""Group commit: one frame, one signature and one fdatasync for all records that wait."""

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
class _Work:
    """A group on its way to the disk."""

    entries: list[Entry]
    signed: SignedGroup
    value: bytes


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of it, on the event loop: each group in order, then either the failure or the orderly end."""

    committed: Callable[[Committed], None]
    failed: Callable[[BaseException, list[Entry]], None]
    ended: Callable[[], None]


class Committer:
    """Takes entries in order and commits together whatever has gathered while the last group was synced.

    The event loop signs; a thread does nothing but write and sync. So the two hardly ever wait for Python's lock,
    which each hand-over of costs more than all that a record needs.

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
        self._waiting: list[Entry] = []
        self._next: asyncio.Handle | None = None
        self._gathered = 1
        self._closing = False
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self.busy_since: float | None = None
        """`time.monotonic()` when the write and sync now in progress began."""

    def start(self, listener: Listener, descriptor: int, end: int) -> None:
        """Go on behind `end`, in bytes, of an open segment. `listener` hears on the event loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._descriptor = descriptor
        self._end = end
        # A daemon: a disk that hangs must not keep the process from ending.
        threading.Thread(target=self._run, name="spool-committer", daemon=True).start()

    def put(self, entry: Entry) -> None:
        """Queue an entry."""
        self._waiting.append(entry)
        if self.busy_since is None and (self._next is None or len(self._waiting) == self._gathered):
            self._schedule()

    def close(self) -> None:
        """End the thread once all that waits is durable."""
        self._closing = True
        if self.busy_since is None:
            self._schedule()

    def leftover(self) -> list[Entry]:
        """What waits. Once the thread has ended on an error, it will not be written."""
        return self._waiting

    def _schedule(self) -> None:
        """Begin the next group: now, or in a while if the last one had more records, for as many are on their way."""
        if self._next is not None:
            self._next.cancel()
        if self._limits.gather_s and len(self._waiting) < self._gathered and not self._closing:
            self._next = self._loop.call_later(self._limits.gather_s, self._begin)
        else:
            self._next = self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._next = None
        if not self._waiting:
            self._work.put(None)
            return
        entries = self._take()
        self._gathered = len(entries)
        self.busy_since = time.monotonic()
        try:
            signed = self._signer.sign(entries[0].sequence, [entry.leaf_hash for entry in entries])
            work = _Work(entries, signed, group_bytes(signed, [entry.record for entry in entries]))
        except Exception as error:  # noqa: BLE001 - written on behind them, the file would lack their numbers
            self._listener.failed(error, entries)
            self._work.put(None)
        else:
            self._work.put(work)

    def _take(self) -> list[Entry]:
        """What waits, up to the limits of a group, and to the entry that opens the next segment."""
        count, room_bytes = 0, self._limits.group_bytes
        for entry in self._waiting[: self._limits.group_records]:
            if count and (room_bytes <= 0 or entry.snapshot is not None):
                break
            count += 1
            room_bytes -= len(entry.record)
        taken = self._waiting[:count]
        del self._waiting[:count]
        return taken

    def _committed(self, group: Committed) -> None:
        self.busy_since = None
        self._listener.committed(group)
        if self._waiting or self._closing:
            self._schedule()

    def _run(self) -> None:
        """The thread."""
        work: _Work | None = None
        try:
            while (work := self._work.get()) is not None:
                self._tell(self._committed, self._commit(work))
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            self._tell(self._listener.failed, error, work.entries if work else [])
        finally:
            with contextlib.suppress(OSError):
                self._disk.close(self._descriptor)
            self._tell(self._listener.ended)

    def _tell(self, heard: Callable[..., None], *told: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(heard, *told)

    def _commit(self, work: _Work) -> Committed:
        entries = work.entries
        first = entries[0]
        content = frame(work.value)
        started = time.monotonic()
        opened = self._open_segment(first.sequence, first.snapshot) if first.snapshot is not None else None
        self._disk.write(self._descriptor, content, self._end)
        self._disk.sync(self._descriptor)
        self._end += len(content)
        traceparents = tuple([entry.traceparent for entry in entries if entry.traceparent is not None])
        stored = StoredGroup(first.sequence, len(entries), work.value, traceparents)
        return Committed(entries, work.signed, stored, opened, self._end, time.monotonic() - started)

    def _open_segment(self, first_sequence: int, snapshot: WriterState) -> Segment:
        path = segment_path(self._directory, first_sequence)
        content = frame(header(self._writer, snapshot))
        full, self._descriptor = self._descriptor, self._disk.create(path, content)
        self._end = len(content)
        self._disk.close(full)  # last: a close that fails has closed all the same, and must not be tried again
        return Segment(first_sequence, path, self._end)
