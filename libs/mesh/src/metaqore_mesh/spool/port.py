"""The spool's port: what its users may rely on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from metaqore_governance_core.records import Numbers, Record
from metaqore_governance_core.writer_state import WriterState
from metaqore_mesh.spool.groups import Appended, StoredGroup

Build = Callable[[Numbers], Record]
"""Makes the record that bears these numbers. Called at once, and must not wait nor append."""


class Spool(Protocol):
    """Where a record becomes durable before anything acts on it.

    - `append` numbers the record before it returns; the order of calls is the order of records, and both sequences
      run without a gap. Where it raises, or `build` does, no number is used.
    - What it returns is done once the record, and every one before it, survives a crash of process and machine.
      Cancelling it takes nothing back: the record is written all the same.
    - A full spool refuses with `SpoolFull`; it never drops and never queues without end. What was begun can be
      ended: a spool without room for decisions still takes the outcomes of those that it has.
    - After a failure of the disk everything that waits and everything that comes gets `SpoolFailed`.
    - A group becomes readable once it is durable, and stays so until every holder has released it.
    """

    @property
    def writer(self) -> str:
        """Whose records these are."""
        ...

    @property
    def state(self) -> WriterState:
        """The fold of all records appended, those that wait for the disk included. Not to be changed."""
        ...

    @property
    def durable_through(self) -> int:
        """The sequence of the last durable record; 0 for none."""
        ...

    def append(self, organization: str, build: Build) -> asyncio.Future[Appended]:
        """Number, encode and queue a record of `organization`.

        Raises `SpoolFull`, `SpoolFailed`, `SpoolClosed`, `RecordTooLarge`, `RecordOutOfOrderError` (an outcome
        without its decision) at once, and `SpoolFailed` when awaited.
        """
        ...

    def read(self, from_sequence: int) -> AsyncIterator[StoredGroup]:
        """Every durable group from the one that holds `from_sequence` on, in order, and new ones as they come.

        Raises `SpoolTrimmed`, `SpoolCorrupt`; `SpoolFailed` or `SpoolClosed` once no more will come.
        """
        ...

    def release(self, holder: str, through_sequence: int) -> None:
        """`holder` needs nothing up to `through_sequence` any more. What all holders released may be removed."""
        ...
