"""Verifications that are asked for or made after a start, and the book in which their faults are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import structlog

from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.protocol import BREACHES
from metaqore_compliance_auditor.service import metrics
from metaqore_compliance_auditor.service.ports import FaultBook, LogReader
from metaqore_compliance_auditor.service.verifying import Progress, VerifyLog
from metaqore_governance_core.errors import MetaQoreError

NO_ORGANIZATION: Final = ""
SEQUENCES: Final = 500_000
"""How many sequences of a writer are looked at in one query."""
RETRY_S: Final = 5.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class CheckLogs:
    """Verifies logs and keeps what it finds.

    `found`: by organization, how many faults of the log itself its last check found. What a writer did wrong is told
    and kept too, but it does not make the log unsound.
    """

    verify: VerifyLog
    reader: LogReader
    book: FaultBook
    found: dict[str, int] = field(default_factory=dict)

    async def check(self, organization: str) -> AsyncIterator[Progress]:
        """The progress of one verification; its faults are in the book before they are told."""
        count = 0
        async for progress in self.verify(organization):
            count += sum(fault.code not in BREACHES for fault in progress.faults)
            if progress.faults:
                await self._keep(progress.faults)
            if progress.finished:
                self.found[organization] = count
            yield progress

    async def check_all(self, share: float) -> None:
        """Verify every log once and every writer's sequences, working for `share` of the time and resting between.

        What the store interrupts is begun again. Each organization is spared the others' gaps: a record that is in
        no log is found here alone, and kept under no organization.
        """
        metrics.OPEN_FAULTS.set(await self._persistently(self.book.count))
        for organization in await self._persistently(self.reader.organizations):
            await self._persistently(partial(self._check_slowly, organization, share))
        await self._persistently(partial(self._check_writers, share))
        log.info("logs.verified", logs=len(self.found) - 1, faults=sum(self.found.values()))

    async def _check_slowly(self, organization: str, share: float) -> None:
        began = time.monotonic()
        async for _ in self.check(organization):
            await asyncio.sleep((time.monotonic() - began) * (1 / share - 1))
            began = time.monotonic()

    async def _check_writers(self, share: float) -> None:
        count = 0
        for writer, last in (await self.reader.writers()).items():
            for start in range(1, last + 1, SEQUENCES):
                began = time.monotonic()
                gaps = await self.reader.sequence_gaps(writer, range(start, min(start + SEQUENCES, last + 1)))
                if gaps:
                    await self._keep(tuple(_gap(writer, gap) for gap in gaps))
                count += len(gaps)
                await asyncio.sleep((time.monotonic() - began) * (1 / share - 1))
        self.found[NO_ORGANIZATION] = count

    async def _persistently(self, check: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await check()
            except MetaQoreError as error:
                log.warning("logs.check_interrupted", error=error.code)
                await asyncio.sleep(RETRY_S)

    def unsound(self) -> str | None:
        """Why the logs are not sound, as far as is known; None where nothing was found."""
        count = sum(self.found.values())
        return f"{count} faults in the logs: see `metaqore audit verify --all` and this log" if count else None

    async def _keep(self, faults: tuple[Fault, ...]) -> None:
        await self.book.record(faults)
        metrics.OPEN_FAULTS.set(await self.book.count())
        for fault in faults:
            metrics.FAULTS.labels(code=fault.code).inc()
            log.error(
                "log.fault_found",
                code=fault.code,
                organization=fault.organization,
                leaf_index=fault.leaf_index,
                writer=fault.writer,
                sequence=fault.sequence,
            )


def _gap(writer: str, gap: range) -> Fault:
    message = f"The writer's records from {gap.start} to {gap.stop - 1} are in no log."
    return Fault("sequence_gap", message, NO_ORGANIZATION, None, writer, gap.start)
