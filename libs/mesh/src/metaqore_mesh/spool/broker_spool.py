"""The spool for `durability = broker`: an append waits for the broker's ack as well as for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from metaqore_governance_core.records import Numbers, OutcomeRecord, Record
from metaqore_governance_core.writer_state import WriterState
from metaqore_mesh.spool.errors import SpoolFull
from metaqore_mesh.spool.file_spool import FileSpool
from metaqore_mesh.spool.groups import Appended, StoredGroup
from metaqore_mesh.spool.port import Build
from metaqore_mesh.spool.shipper import Shipper


class BrokerSpool:
    """The port `Spool` over one in files and its shipper, which must run. Only for a broker that keeps what it acks.

    A broker that does not answer makes appends wait, until their callers' deadlines; with `unacked_records` out, new
    decisions are refused.
    """

    def __init__(self, spool: FileSpool, shipper: Shipper, *, unacked_records: int = 10_000) -> None:
        self._spool = spool
        self._shipper = shipper
        self._unacked_records = unacked_records

    @property
    def writer(self) -> str:
        """Whose records these are."""
        return self._spool.writer

    @property
    def state(self) -> WriterState:
        """The fold of all records appended, those that wait included. Not to be changed."""
        return self._spool.state

    @property
    def durable_through(self) -> int:
        """The sequence of the last record that disk and broker have."""
        return min(self._spool.durable_through, self._shipper.acked_through)

    def append(self, organization: str, build: Build) -> asyncio.Future[Appended]:
        """See `Spool.append`."""

        def admitted(numbers: Numbers) -> Record:
            record = build(numbers)
            if not isinstance(record, OutcomeRecord):  # the room of an outcome was kept at its decision
                self._check_room(numbers.sequence)
            return record

        return asyncio.create_task(self._acked(self._spool.append(organization, admitted)))

    def read(self, from_sequence: int) -> AsyncIterator[StoredGroup]:
        """See `Spool.read`."""
        return self._spool.read(from_sequence)

    def release(self, holder: str, through_sequence: int) -> None:
        """See `Spool.release`."""
        self._spool.release(holder, through_sequence)

    def _check_room(self, sequence: int) -> None:
        unacked = sequence - 1 - self._shipper.acked_through
        if unacked >= self._unacked_records:
            raise SpoolFull(f"{unacked} audit records wait for the broker. See that it runs, and try again.")

    async def _acked(self, durable: asyncio.Future[Appended]) -> Appended:
        appended = await durable
        await self._shipper.acked(appended.sequence)
        return appended
