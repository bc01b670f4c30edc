"""What time does to projects: proposals lapse, and leases on tasks expire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from prometheus_client import Counter

from metaqore_ai_gateway.service.psmp.asked import Asked, Outcome, Submission
from metaqore_ai_gateway.service.psmp.due import Due, DueItems
from metaqore_ai_gateway.service.psmp.relayed import SYSTEM_CAUSE
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.actor import SYSTEM
from metaqore_governance_core.psmp.artifact_commands import Lapse
from metaqore_governance_core.psmp.refusal import PsmpRefusedError
from metaqore_governance_core.psmp.work import Expire

BATCH: Final = 200
"""So many of each sort are done at once: what waits for one project shares its transactions."""

_log = structlog.get_logger()
_DONE: Final = Counter("metaqore_psmp_timers_total", "Proposals that lapsed and leases that expired.", ["what"])


class Submit(Protocol):
    """`ProjectQueues.submit`."""

    async def __call__(self, submission: Submission, /) -> Outcome:
        """What came of it. Raises its refusal."""
        ...


@dataclass(slots=True)
class Timers:
    """Lets everything happen that is due, until cancelled. Run one in each process.

    Two that see the same do no harm: the second is refused, since the time of nothing is over twice.
    """

    items: DueItems
    submit: Submit
    now_us: Callable[[], int]
    new_id: Callable[[], str]
    interval_s: float = 1.0
    _refused: int = 0

    async def run(self) -> None:
        """Work for ever; errors are logged and outlived."""
        while True:
            try:
                more = await self.once()
            except MetaQoreError as error:
                more = False
                _log.warning("psmp.timers_failed", code=error.code, message=error.message)
            except Exception:  # noqa: BLE001 - without it nothing would ever lapse again
                more = False
                _log.exception("psmp.timers_failed")
            await asyncio.sleep(0 if more else self.interval_s)

    async def once(self) -> bool:
        """Do what is due now; whether more is due at once. Raises where the database is away."""
        now_us = self.now_us()
        # What is refused stays due where another process is about to do it, and must not stand before the rest.
        limit = BATCH + self._refused
        found = await self.items.due(now_us, limit)
        results = await asyncio.gather(*(self._happen(one, now_us) for one in found), return_exceptions=True)
        self._refused = min(sum(isinstance(one, PsmpRefusedError) for one in results), 10 * BATCH)
        for one, result in zip(found, results, strict=True):
            if isinstance(result, PsmpRefusedError):
                _log.info("psmp.timer_refused", what=one.what, project=one.project, code=result.code)
            elif isinstance(result, BaseException):
                raise result
            else:
                _DONE.labels(one.what).inc()
        return len(found) >= limit and self._refused < len(found)

    async def _happen(self, due: Due, now_us: int) -> Outcome:
        command = Expire(SYSTEM, now_us) if due.number is None else Lapse(SYSTEM, now_us, due.number)
        id_ = f"{SYSTEM_CAUSE}{self.new_id()}"
        return await self.submit(Submission(id_, due.organization, due.project, (Asked(due.of, command),)))
