"""What can be read: the segments on disk, and the newest groups in memory."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from metaqore_mesh.spool.errors import SpoolCorrupt, SpoolTrimmed
from metaqore_mesh.spool.groups import StoredGroup
from metaqore_mesh.spool.segments import Segment, read_groups

READ_BYTES = 1 << 20
"""How much a reader takes from the disk at once."""


class Tail:
    """The newest durable groups, at most about `most_bytes` of them, so that who keeps up never reads the disk."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._groups: list[StoredGroup] = []
        self._dropped = 0
        self._size_bytes = 0

    def add(self, group: StoredGroup) -> None:
        """Take in the next group; the oldest ones give way."""
        self._groups.append(group)
        self._size_bytes += len(group.value)
        while self._size_bytes > self._most_bytes and self._dropped < len(self._groups) - 1:
            self._size_bytes -= len(self._groups[self._dropped].value)
            self._dropped += 1
        if self._dropped > 64 and self._dropped * 2 > len(self._groups):  # noqa: PLR2004 - seldom, so cheap a group
            del self._groups[: self._dropped]
            self._dropped = 0

    def from_sequence(self, sequence: int, most_bytes: int) -> list[StoredGroup]:
        """Groups from the one that holds `sequence` on; empty where memory does not reach so far back."""
        groups = self._groups
        index = bisect_right(groups, sequence, lo=self._dropped, key=_first_sequence) - 1
        if index < self._dropped:
            return []
        end = index
        while end < len(groups) and most_bytes > 0:
            most_bytes -= len(groups[end].value)
            end += 1
        return groups[index:end]


def _first_sequence(group: StoredGroup) -> int:
    return group.first_sequence


@dataclass(slots=True)
class Readable:
    """The segments, oldest first, and the tail. Lives on the event loop."""

    segments: list[Segment]
    tail: Tail
    durable_through: int

    @property
    def first_sequence(self) -> int:
        """The oldest record that is kept."""
        return self.segments[0].first_sequence

    @property
    def disk_bytes(self) -> int:
        """What the segments hold."""
        return sum(segment.end for segment in self.segments)

    def removable(self, through_sequence: int) -> list[Segment]:
        """Segments whose records all lie at or before `through_sequence`; never the newest."""
        behind = bisect_right(self.segments, through_sequence + 1, key=lambda segment: segment.first_sequence)
        return self.segments[: max(behind - 1, 0)]

    def segment_of(self, sequence: int) -> Segment:
        """Where `sequence` lies. Raises `SpoolTrimmed`."""
        index = bisect_right(self.segments, sequence, key=lambda segment: segment.first_sequence) - 1
        if index < 0:
            raise SpoolTrimmed(sequence, self.first_sequence)
        return self.segments[index]


@dataclass(slots=True)
class Reader:
    """One reader's place in a spool. `position` is the next record it wants."""

    readable: Readable
    wait_for: Callable[[int], Awaitable[None]]
    position: int
    _segment: Segment | None = field(default=None, init=False)
    _offset: int = field(default=0, init=False)

    async def next_groups(self) -> list[StoredGroup]:
        """The next durable groups, about a megabyte at most and one at least; waits for the first.

        Raises `SpoolTrimmed`, `SpoolCorrupt`; `SpoolFailed` or `SpoolClosed` where no more will come. After a
        cancellation the place is what it was.
        """
        await self.wait_for(self.position)
        groups = self.readable.tail.from_sequence(self.position, READ_BYTES)
        if groups:
            self._segment = None
        while not groups:
            groups = [group for group in await self._from_disk() if group.last_sequence >= self.position]
        self.position = groups[-1].last_sequence + 1
        return groups

    async def _from_disk(self) -> list[StoredGroup]:
        segment = self.readable.segment_of(self.position)
        if segment is not self._segment:
            self._segment, self._offset = segment, 0
        try:
            groups, self._offset = await asyncio.to_thread(read_groups, segment, self._offset, segment.end, READ_BYTES)
        except FileNotFoundError:
            raise SpoolTrimmed(self.position, self.readable.first_sequence) from None
        if not groups:
            raise SpoolCorrupt(segment.path, segment.end, f"record {self.position} is missing")
        return groups
