"""The audit topic: every message is one group commit, offered to the sealer and, where it can never fit, buried."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from metaqore_compliance_auditor.adapters.wire import parse_group
from metaqore_compliance_auditor.domain.admission import Append, Hold, Skip
from metaqore_compliance_auditor.domain.groups import Refused, Unreadable
from metaqore_compliance_auditor.service import metrics
from metaqore_compliance_auditor.service.places import Place, PlaceKeeper, Places
from metaqore_compliance_auditor.service.ports import StoreUnavailableError
from metaqore_compliance_auditor.service.sealing import Blocked, Sealer
from metaqore_governance_core.contracts.topics import AUDIT_RECORDS
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.kafka import BrokerProbe, DeadLetters, KafkaRecord, PoisonRecord, TopicReader
from metaqore_mesh.settings import KafkaSettings

CONSUMER: Final = "compliance-auditor"
_TRACE_HEADERS: Final = frozenset({"traceparent", "ce_traceparent"})

log = structlog.get_logger(__name__)


class AuditIntake:
    """`Intake` from Kafka: all partitions of the audit topic, without a group, as the log alone knows what it has.

    It goes on where everything before was sealed, but on the embedded broker, whose topics are short and forgotten.
    """

    def __init__(self, settings: KafkaSettings, dead_letters: DeadLetters, probe: BrokerProbe, places: Places) -> None:
        self._settings = settings
        self._dead_letters = dead_letters
        self._probe = probe
        self._places = places

    async def __call__(self, sealer: Sealer) -> None:
        """See `Intake`. Raises `StoreUnavailableError`, which ends the tenure."""
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        keeper = PlaceKeeper(self._places, sealer)
        start = {} if self._settings.embedded else await self._known_places()

        async def handle(records: Sequence[KafkaRecord]) -> Sequence[object]:
            try:
                results = await take(sealer, records)
            except StoreUnavailableError as error:
                if not broken.done():
                    broken.set_exception(error)
                raise
            for record in records:
                keeper.taken(record.topic, record.partition, record.offset)
            return results

        reader = TopicReader(
            self._settings,
            topics=[AUDIT_RECORDS],
            name=CONSUMER,
            handler=handle,
            dead_letters=self._dead_letters,
            probe=self._probe,
            start=start,
        )
        await reader.start()
        keeping = asyncio.create_task(keeper.run())
        try:
            await broken
        finally:
            keeping.cancel()
            await _ended(keeping, asyncio.create_task(reader.stop()))

    async def _known_places(self) -> Mapping[Place, int]:
        try:
            return await self._places.read()
        except MetaQoreError as error:
            raise StoreUnavailableError(error.message) from error


async def _ended(*tasks: asyncio.Task[None]) -> None:
    """Wait until all of these have ended, however often it is cancelled meanwhile.

    A tenure's end is noticed by several, and a reader that was not stopped would read on beside its successors.
    """
    while not all(task.done() for task in tasks):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(tasks)


async def take(sealer: Sealer, records: Sequence[KafkaRecord]) -> list[PoisonRecord | None]:
    """Offer each record in order; gives what is to be buried, one result for each record."""
    results = []
    for record in records:
        results.append(await _offer(sealer, record))
        await asyncio.sleep(0)  # checking a group takes milliseconds: reads and seals must have their turn
    return results


async def _offer(sealer: Sealer, record: KafkaRecord) -> PoisonRecord | None:
    try:
        verdict = await sealer.offer(parse_group(record.value or b""), _traceparents(record))
    except Unreadable as unreadable:
        metrics.GROUPS.labels(outcome="unreadable").inc()
        log.warning("group.unreadable", code=unreadable.code, message=unreadable.message, **_place(record))
        return None
    except Refused as refused:
        metrics.GROUPS.labels(outcome="refused").inc()
        metrics.REFUSED.labels(code=refused.code).inc()
        log.warning("group.refused", code=refused.code, message=refused.message, **_place(record))
        return PoisonRecord(refused.code, refused.message)
    metrics.GROUPS.labels(outcome=_outcome(verdict)).inc()
    return None


def _outcome(verdict: Append | Skip | Hold | Blocked) -> str:
    match verdict:
        case Append():
            return "appended"
        case Skip():
            return "skipped"
        case Hold():
            return "held"
        case Blocked():
            return "blocked"


def _traceparents(record: KafkaRecord) -> list[str]:
    values = (value for name, value in record.headers if name in _TRACE_HEADERS and value)
    return [value.decode("ascii", "replace") for value in values]


def _place(record: KafkaRecord) -> dict[str, int]:
    return {"partition": record.partition, "offset": record.offset}
