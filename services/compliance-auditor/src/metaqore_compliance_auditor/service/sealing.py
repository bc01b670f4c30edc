"""The sealer: takes in groups, and turns what it has accepted into one seal at a time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from metaqore_compliance_auditor.domain.admission import Append, Hold, Verdict, WriterPosition, admit, advance, overlap
from metaqore_compliance_auditor.domain.authenticity import authenticate
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.groups import SignedGroup
from metaqore_compliance_auditor.domain.sealing import Accepted, OpenLog, entries_by_log, seal_log
from metaqore_compliance_auditor.domain.seals import LogSeal
from metaqore_compliance_auditor.service import metrics
from metaqore_compliance_auditor.service.opening import LogDamaged, open_log
from metaqore_compliance_auditor.service.ports import FaultBook, LogReader, Notary, Tenure, TrustedWriters
from metaqore_mesh.telemetry.tracing import links, span

MAX_OPEN_LOGS: Final = 2048
MAX_LINKS: Final = 128

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SealLimits:
    """When a seal is made. `delay_s`: at most so long after the first record; `records`: or once so many wait.

    `waiting_records`: beyond this no more are taken in until a seal is through.
    """

    delay_s: float = 0.1
    records: int = 4096
    waiting_records: int = 16_384


@dataclass(frozen=True, slots=True)
class Blocked:
    """A group that touches a damaged log. It is not appended; its writer keeps it."""

    organization: str


@dataclass(slots=True)
class _Waiting:
    """What has been accepted since the last seal."""

    accepted: list[Accepted] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    hashes: dict[tuple[str, int], bytes] = field(default_factory=dict)
    since: float = 0.0

    @property
    def records(self) -> int:
        return len(self.hashes)


class Sealer:
    """Seals what it is offered, within one tenure. `offer` takes turns and runs beside `seal`, which one task calls.

    After an error of `seal` the tenure is over: what was accepted and not sealed is forgotten, and comes again.
    """

    def __init__(
        self,
        tenure: Tenure,
        positions: dict[str, WriterPosition],
        *,
        reader: LogReader,
        notary: Notary,
        writers: TrustedWriters,
        faults: FaultBook,
        limits: SealLimits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tenure = tenure
        self._reader = reader
        self._notary = notary
        self._writers = writers
        self._faults = faults
        self._limits = limits
        self._positions = positions
        self._clock = clock
        self._logs: OrderedDict[str, OpenLog] = OrderedDict()
        self._waiting = _Waiting()
        self._in_seal = _Waiting()
        self._opening: set[str] = set()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._draining = False
        self._sealed = 0
        self.accepted = 0
        """How many records this sealer has taken in."""

    def received(self, writer: str) -> int:
        """The writer's last accepted sequence."""
        return self._positions.get(writer, WriterPosition()).sequence

    @property
    def drained(self) -> bool:
        """Whether it was told to drain, and nothing is left."""
        return self._draining and not self._waiting.accepted

    async def offer(self, group: SignedGroup, traceparents: Sequence[str] = ()) -> Verdict | Blocked:
        """What becomes of `group`; what is appended is in the next seal. Raises `Refused`.

        Waits while too many records wait for their seal.
        """
        if group.head.key_id not in self._writers.keys:
            await self._writers.reread()
        authenticate(group, self._writers.keys)
        async with self._turn:
            return await self._admit(group, traceparents)

    async def _admit(self, group: SignedGroup, traceparents: Sequence[str]) -> Verdict | Blocked:
        position = self._positions.get(group.head.writer, WriterPosition())
        verdict = admit(position, group, await self._known(group.head.writer, overlap(position, group)))
        if isinstance(verdict, Hold):
            log.warning("group.held", writer=group.head.writer, first=group.first, expected=verdict.expected)
        if not isinstance(verdict, Append):
            return verdict
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting.records < self._limits.waiting_records)
        try:
            await self._open({leaf.facts.organization for leaf in verdict.leaves})
        except LogDamaged as damaged:
            return await self._block(damaged.fault)
        self._accept(Accepted(group, verdict.leaves), traceparents)
        async with self._changed:
            self._changed.notify_all()
        return verdict

    async def _block(self, fault: Fault) -> Blocked:
        await self._faults.record([fault])
        log.error("log.damaged", organization=fault.organization, code=fault.code)
        return Blocked(fault.organization)

    async def sealed(self, records: int) -> None:
        """Return once so many of the accepted records are sealed, in the order in which they were taken in."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._sealed >= records)

    async def drain(self) -> None:
        """Let `seal_when_due` seal at once what is left, and from then on wait for nothing."""
        async with self._changed:
            self._draining = True
            self._changed.notify_all()

    def _accept(self, accepted: Accepted, traceparents: Sequence[str]) -> None:
        writer = accepted.group.head.writer
        self._positions[writer] = advance(self._positions.get(writer, WriterPosition()), accepted.leaves)
        self.accepted += len(accepted.leaves)
        waiting = self._waiting
        if not waiting.accepted:
            waiting.since = time.monotonic()
        waiting.accepted.append(accepted)
        waiting.hashes.update(((writer, leaf.facts.sequence), leaf.hash) for leaf in accepted.leaves)
        waiting.traces.extend(traceparents[: MAX_LINKS - len(waiting.traces)])

    async def seal_when_due(self) -> list[LogSeal]:
        """Wait for records and for their seal to be due, then `seal`."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._draining or self._waiting.records)
            left_s = self._waiting.since + self._limits.delay_s - time.monotonic()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._changed.wait_for(
                        lambda: self._draining or self._waiting.records >= self._limits.records
                    )
        return await self.seal()

    async def seal(self) -> list[LogSeal]:
        """Commit everything accepted so far in one transaction; nothing to seal gives no seals."""
        batch, self._waiting = self._waiting, _Waiting()
        if not batch.accepted:
            return []
        self._in_seal = batch
        with span("auditor.seal", links=links(batch.traces), attributes={"metaqore.records": batch.records}):
            seals = await self._commit(batch.accepted)
        self._in_seal = _Waiting()
        self._sealed += sum(len(each.leaves) for each in batch.accepted)
        metrics.SEAL_SECONDS.observe(time.monotonic() - batch.since)
        metrics.SEALED_RECORDS.inc(batch.records)
        metrics.SEALS.inc()
        now_us = self._clock() * 1_000_000
        for each in batch.accepted:
            metrics.RECORD_AGE_SECONDS.observe((now_us - each.group.head.time_us) / 1_000_000)
        async with self._changed:
            self._changed.notify_all()
        return seals

    async def _commit(self, accepted: Sequence[Accepted]) -> list[LogSeal]:
        found = (leaf.facts for each in accepted for leaf in each.leaves)
        tasks = {(facts.organization, facts.task) for facts in found if facts.task is not None}
        trails = await self._tenure.trails(tasks)
        now_us = int(self._clock() * 1_000_000)
        seals, after = [], {}
        for organization, entries in entries_by_log(accepted, self._logs).items():
            seal, after[organization] = seal_log(self._logs[organization], entries, trails, self._notary.sign, now_us)
            seals.append(seal)
        await self._tenure.commit(seals)
        self._logs.update(after)
        self._forget_idle_logs()
        for fault in (fault for seal in seals for fault in seal.faults):
            metrics.FAULTS.labels(code=fault.code).inc()
            metrics.OPEN_FAULTS.inc()
            log.error("record.breached", code=fault.code, organization=fault.organization, leaf_index=fault.leaf_index)
        return seals

    async def _known(self, writer: str, sequences: range) -> dict[int, bytes]:
        if not sequences:
            return {}
        held = {**self._in_seal.hashes, **self._waiting.hashes}
        known = {sequence: held[writer, sequence] for sequence in sequences if (writer, sequence) in held}
        if len(known) < len(sequences):
            known |= await self._tenure.leaf_hashes(writer, sequences)
        return known

    async def _open(self, organizations: set[str]) -> None:
        self._opening = organizations
        for organization in organizations:
            if organization not in self._logs:
                self._logs[organization] = await open_log(organization, self._reader, self._notary)
            self._logs.move_to_end(organization)

    def _forget_idle_logs(self) -> None:
        wanted = {leaf.facts.organization for each in self._waiting.accepted for leaf in each.leaves} | self._opening
        for organization in list(self._logs):
            if len(self._logs) <= MAX_OPEN_LOGS:
                return
            if organization not in wanted:
                del self._logs[organization]
