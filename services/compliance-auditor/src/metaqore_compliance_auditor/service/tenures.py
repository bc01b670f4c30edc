"""The right to seal, taken again and again: positions are read, groups come in, seals are made and announced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final

import structlog

from metaqore_compliance_auditor.domain.admission import WriterPosition
from metaqore_compliance_auditor.service import metrics
from metaqore_compliance_auditor.service.ports import CheckpointFeed, SealStore, StoreUnavailableError, Tenure
from metaqore_compliance_auditor.service.sealing import Sealer
from metaqore_governance_core.errors import MetaQoreError

RETRY_S: Final = 1.0
PUBLISH_LIMIT: Final = 256

Intake = Callable[[Sealer], Coroutine[None, None, None]]
"""Offers every group of the audit topic, from its beginning, to the sealer. Runs until it is cancelled."""

MakeSealer = Callable[[Tenure, dict[str, WriterPosition]], Sealer]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tenures:
    """Seals whenever this process holds the tenure. A tenure ends with its first error, and the next begins anew:
    nothing is carried over but what is committed.
    """

    store: SealStore
    make_sealer: MakeSealer
    intake: Intake
    feed: CheckpointFeed
    retry_s: float = RETRY_S
    sealer: Sealer | None = None

    def received(self, writer: str) -> int:
        """The writer's last accepted sequence, 0 where this process does not seal."""
        return self.sealer.received(writer) if self.sealer else 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping` is set; then what was accepted is sealed and announced."""
        stopped = asyncio.create_task(stopping.wait())
        holding: asyncio.Task[None] | None = None
        try:
            while not stopped.done():
                holding = asyncio.create_task(self._hold(stopping))
                await asyncio.wait((holding, stopped), return_when=asyncio.FIRST_COMPLETED)
                if self.sealer is None:
                    holding.cancel()  # it waits for the right: there is nothing to finish
                await asyncio.wait((holding,))
                if not holding.cancelled() and (error := holding.exception()):
                    _explain(error)
                    await asyncio.wait((stopped,), timeout=self.retry_s)
        finally:
            stopped.cancel()
            if holding is not None and holding.cancel():
                await asyncio.wait((holding,))

    async def _hold(self, stopping: asyncio.Event) -> None:
        async with self.store.tenure() as tenure:
            self.sealer = sealer = self.make_sealer(tenure, await tenure.positions())
            metrics.TENURE.set(1)
            log.info("tenure.began")
            try:
                await self._seal_until(stopping, sealer, tenure)
            finally:
                self.sealer = None
                metrics.TENURE.set(0)
                log.info("tenure.ended")

    async def _seal_until(self, stopping: asyncio.Event, sealer: Sealer, tenure: Tenure) -> None:
        sealed = asyncio.Event()
        sealed.set()  # what an earlier tenure committed may not be announced yet
        async with asyncio.TaskGroup() as tasks:
            intake = tasks.create_task(self.intake(sealer))
            sealing = tasks.create_task(_seal(sealer, sealed))
            announcing = tasks.create_task(self._announce(tenure, sealed))
            losing = tasks.create_task(_end_when_lost(tenure))
            await stopping.wait()
            losing.cancel()
            intake.cancel()
            await sealer.drain()
            await sealing
            announcing.cancel()
        await self._announce_all(tenure)

    async def _announce(self, tenure: Tenure, sealed: asyncio.Event) -> None:
        while True:
            await sealed.wait()
            sealed.clear()
            try:
                await self._announce_all(tenure)
            except StoreUnavailableError:
                raise
            except MetaQoreError as error:
                log.warning("checkpoints.unannounced", error=error.code)
                await asyncio.sleep(self.retry_s)
                sealed.set()

    async def _announce_all(self, tenure: Tenure) -> None:
        """Announce every committed checkpoint at least once, each log's in the order of their sizes."""
        while checkpoints := await tenure.unpublished(PUBLISH_LIMIT):
            await asyncio.gather(*(self.feed.publish(checkpoint) for checkpoint in checkpoints))
            await tenure.mark_published({each.organization: each.head.size for each in checkpoints})
            metrics.PUBLISHED.inc(len(checkpoints))


async def _seal(sealer: Sealer, sealed: asyncio.Event) -> None:
    while not sealer.drained:
        if await sealer.seal_when_due():
            sealed.set()


async def _end_when_lost(tenure: Tenure) -> None:
    await tenure.lost()
    raise StoreUnavailableError("The session that holds the right to seal has ended.")


def _explain(error: BaseException) -> None:
    """Log what the outside did; anything else is a fault of ours and ends the process. Raises it then."""
    match error:
        case MetaQoreError():
            log.warning("tenure.lost", error=error.code, message=error.message)
        case BaseExceptionGroup():
            for each in error.exceptions:
                _explain(each)
        case _:
            raise error
