"""The way from the spool to the log: groups go to the broker until signed checkpoints cover them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from metaqore_governance_core.contracts.audit import AuditRecorded
from metaqore_governance_core.contracts.cloudevents import EventAttributes, event_headers
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.kafka.backoff import Backoff
from metaqore_mesh.spool import metrics
from metaqore_mesh.spool.errors import SpoolBehindLog
from metaqore_mesh.spool.file_spool import SEALED, FileSpool
from metaqore_mesh.spool.groups import StoredGroup

log = structlog.get_logger(__name__)

MAX_LINKS = 128
"""Traces that one message names, so that the sealing span can link to them."""

LOG_EVERY = 20
"""Of so many refusals in a row, one is told."""

Headers = tuple[tuple[str, bytes | None], ...]


class GroupPublisher(Protocol):
    """The broker, as far as the shipper needs it; `metaqore_mesh.kafka.Publisher` is one."""

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> asyncio.Future[Any]:
        """Hand over one message, in order; the future is done once the broker acked.

        Both raise `MetaQoreError`; the message may then be there all the same.
        """
        ...


SealedProgress = Callable[[str], Awaitable[int]]
"""Asks the auditor: the sequence up to which signed checkpoints cover the records of a writer; 0 for none.

Raises `MetaQoreError` where it does not answer.
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the auditor is asked, in seconds, and how long to wait after each kind of trouble.

    Groups that become durable within `gather_s` behind one that is shipped go together: what a message costs, it costs
    the gateway, the broker and the auditor. 0 where answers wait for the broker's ack.
    """

    gather_s: float = 0.02
    poll_s: float = 0.25
    silent: Backoff = field(default=Backoff(first_s=0.5, most_s=5.0))
    refused: Backoff = field(default=Backoff(first_s=0.1, most_s=5.0))
    stalled: Backoff = field(default=Backoff(first_s=5.0, most_s=60.0))


class Shipper:
    """Sends each group as one message, keyed by its writer, and releases what is sealed.

    A broker may forget what it acked, so nothing counts but the auditor's word: where that stands still while
    records are out, everything behind the last sealed one is sent again. The auditor knows a record by writer and
    sequence, so a repeat does no harm. Nothing is ever dropped.
    """

    def __init__(
        self, spool: FileSpool, publisher: GroupPublisher, progress: SealedProgress, pace: Pace | None = None
    ) -> None:
        self._spool = spool
        self._publisher = publisher
        self._progress = progress
        self._pace = pace or Pace()
        self._sealed = 0
        self._sent = 0
        self._acked = 0
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def acked_through(self) -> int:
        """The last record that the broker, which may have forgotten it since, has acked."""
        return self._acked

    async def acked(self, sequence: int) -> None:
        """Return once the broker has acked `sequence`."""
        while self._acked < sequence:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    async def run(self) -> None:
        """Ship until cancelled. Raises `SpoolBehindLog`, after which the spool refuses too, and `SpoolCorrupt`;
        `SpoolFailed` or `SpoolClosed` once all that is durable was handed over and no more will come.
        """
        attempt = 0
        while not await self._ask():
            attempt += 1
            await asyncio.sleep(self._pace.silent.delay_s(attempt))
        stalls = 0
        while True:
            begun = self._sealed
            sender = asyncio.create_task(self._send_from(max(begun + 1, self._spool.first_sequence)))
            try:
                await self._until_stalled(sender, stalls + 1)
            finally:
                sender.cancel()
                await asyncio.wait([sender])
            stalls = stalls + 1 if self._sealed <= begun else 0
            metrics.SHIPPING_RESTARTS.labels("stalled").inc()
            log.warning("spool.sealing_stalled", sealed_through=self._sealed, sent_through=self._sent)

    async def _ask(self) -> bool:
        """Take in the auditor's word; False where it gave none."""
        spool = self._spool
        try:
            sealed = await self._progress(spool.writer)
        except MetaQoreError as error:
            log.info("spool.progress_unknown", code=error.code)
            return False
        if sealed > spool.durable_through:
            behind = SpoolBehindLog(spool.writer, sealed, spool.durable_through)
            spool.refuse("the spool is behind its log")
            raise behind
        if sealed < self._sealed:
            log.error("spool.progress_regressed", sealed_through=sealed, before=self._sealed, kept=spool.first_sequence)
        self._sealed = sealed
        spool.release(SEALED, sealed)
        self._note_acked(sealed)  # to this run or an earlier one
        self._measure()
        return True

    async def _until_stalled(self, sender: asyncio.Task[None], stalls: int) -> None:
        """Ask the auditor while records are out, until it answers for too long that nothing moved."""
        now = asyncio.get_running_loop().time
        patience_s = self._pace.stalled.delay_s(stalls)
        moved_at, silent = now(), 0
        while now() - moved_at < patience_s:
            pause_s = self._pace.silent.delay_s(silent) if silent else self._pace.poll_s
            if (await asyncio.wait([sender], timeout=pause_s))[0]:
                sender.result()
            before = self._sealed
            if self._sent > before:
                silent = 0 if await self._ask() else silent + 1
            # Without an answer nobody knows that anything was lost, and where nothing is out nothing can be.
            if silent or self._sealed > before or self._sent <= before:
                moved_at = now()
                self._measure()

    async def _send_from(self, position: int) -> None:
        """Send every group from `position` on in order, and from the first that failed again."""
        self._sent = position - 1
        attempt = 0
        while True:
            reader = self._spool.reader(self._sent + 1)
            refused = None
            while refused is None:
                groups = await reader.next_groups()
                acked, refused = await self._send(groups)
                if acked:
                    self._sent = groups[acked - 1].last_sequence
                    self._note_acked(self._sent)
                    metrics.SHIPPED_GROUPS.inc(acked)
                    attempt = 0
                if refused is None:
                    await asyncio.sleep(self._pace.gather_s)
            attempt += 1
            if attempt % LOG_EVERY == 1:
                log.warning("spool.shipping_refused", code=refused, sent_through=self._sent)
            metrics.SHIPPING_RESTARTS.labels("refused").inc()
            await asyncio.sleep(self._pace.refused.delay_s(attempt))

    async def _send(self, groups: Sequence[StoredGroup]) -> tuple[int, str | None]:
        """Send groups together; how many were acked before the first that was not, and why that was not."""
        acks: list[asyncio.Future[Any]] = []
        refused: MetaQoreError | None = None
        try:
            for group in groups:
                acks.append(await self._publisher.send(*self._message(group)))  # noqa: PERF401 - keep what was sent
        except MetaQoreError as error:
            refused = error
        results = await asyncio.gather(*acks, return_exceptions=True)
        for acked, result in enumerate(results):
            if isinstance(result, MetaQoreError):
                return acked, result.code
            if isinstance(result, asyncio.CancelledError):
                return acked, "cancelled"  # the producer was replaced under it
            if isinstance(result, BaseException):
                raise result
        return len(results), None if refused is None else refused.code

    def _note_acked(self, through: int) -> None:
        if through <= self._acked:
            return
        self._acked = through
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _message(self, group: StoredGroup) -> tuple[str, bytes, bytes, Headers]:
        writer = self._spool.writer
        attributes = EventAttributes(
            id=f"{writer}/{group.first_sequence}", source=f"/metaqore/writers/{writer}", type=AuditRecorded.ce_type
        )
        links = [("traceparent", traceparent.encode()) for traceparent in group.traceparents[:MAX_LINKS]]
        return AuditRecorded.topic, writer.encode(), group.value, (*event_headers(attributes), *links)

    def _measure(self) -> None:
        metrics.UNSEALED_RECORDS.set(self._spool.durable_through - self._spool.sealed_through)
