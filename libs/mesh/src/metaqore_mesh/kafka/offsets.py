"""How far one partition is done: the first offset that is not, and the record before it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metaqore_mesh.kafka.records import KafkaRecord


class Offsets:
    """Records taken in rising order of their offsets and done in any order.

    `floor` is the offset to commit: every record below it is done. None until one is done. `last` is the record just
    below the floor. Offsets may have gaps (compaction, transaction markers).
    """

    __slots__ = ("_done", "_next", "_open", "floor", "last")

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: dict[int, KafkaRecord] = {}
        self._next = 0
        self.floor: int | None = None
        self.last: KafkaRecord | None = None

    def __len__(self) -> int:
        """How many records are taken and still count against the floor."""
        return len(self._open)

    def take(self, offset: int) -> bool:
        """A record is now in hand. False, and nothing changes, where it was taken before."""
        if offset < self._next:
            return False
        self._open.append(offset)
        self._next = offset + 1
        return True

    def done(self, record: KafkaRecord) -> None:
        """The record's effect is there (or its dead letter); the floor rises as far as it can."""
        self._done[record.offset] = record
        while self._open and self._open[0] in self._done:
            lowest = self._open.popleft()
            self.last = self._done.pop(lowest)
            self.floor = lowest + 1
