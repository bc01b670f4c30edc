"""Which offset of one partition may be committed: the first that is not done."""

from __future__ import annotations

from collections import deque


class Offsets:
    """Offsets taken in rising order and done in any order.

    `floor` is the offset to commit: every record below it is done. None until a record is done. Offsets may have
    gaps (compaction, transaction markers). `next` is the lowest offset that may still be taken.
    """

    __slots__ = ("_done", "_open", "floor", "next")

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self.floor: int | None = None
        self.next = 0

    def __len__(self) -> int:
        """How many records are taken and still count against the floor."""
        return len(self._open)

    def take(self, offset: int) -> bool:
        """A record is now in hand. False, and nothing changes, where it was taken before."""
        if offset < self.next:
            return False
        self._open.append(offset)
        self.next = offset + 1
        return True

    def done(self, offset: int) -> None:
        """The record's effect is there (or its dead letter); the floor rises as far as it can."""
        self._done.add(offset)
        while self._open and self._open[0] in self._done:
            lowest = self._open.popleft()
            self._done.remove(lowest)
            self.floor = lowest + 1
