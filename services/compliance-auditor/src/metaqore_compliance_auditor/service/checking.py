"""Verifications that are asked for or made after a start, and the book in which their faults are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog

from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.protocol import BREACHES
from metaqore_compliance_auditor.service import metrics
from metaqore_compliance_auditor.service.ports import FaultBook, LogReader
from metaqore_compliance_auditor.service.verifying import Progress, VerifyLog

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
        """Verify every log once, working for `share` of the time and resting in between."""
        metrics.OPEN_FAULTS.set(await self.book.count())
        records = 0
        for organization in await self.reader.organizations():
            began, verified = time.monotonic(), 0
            async for progress in self.check(organization):
                verified = progress.verified
                await asyncio.sleep((time.monotonic() - began) * (1 / share - 1))
                began = time.monotonic()
            records += verified
        log.info("logs.verified", logs=len(self.found), records=records, faults=sum(self.found.values()))

    def unsound(self) -> str | None:
        """Why the logs are not sound, as far as is known; None where nothing was found."""
        logs = [organization for organization, count in self.found.items() if count]
        if not logs:
            return None
        return f"{sum(self.found.values())} faults in {len(logs)} logs: see `metaqore audit verify --all`"

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
