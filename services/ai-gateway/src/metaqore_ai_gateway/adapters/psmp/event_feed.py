"""The feed of what happens in projects: PSMP's event table is its outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import msgspec
import structlog
from prometheus_client import Counter

from metaqore_ai_gateway.adapters.lifecycle_feed import PublishAll
from metaqore_ai_gateway.service.psmp.relayed import Relayed, change
from metaqore_governance_core.contracts.cloudevents import CONTENT_TYPE, SPEC_VERSION
from metaqore_governance_core.contracts.psmp import ProjectChanged
from metaqore_governance_core.contracts.topics import PSMP_EVENTS
from metaqore_mesh.kafka.errors import RecordTooLarge
from metaqore_mesh.kafka.records import Headers, Outgoing

MAX_DATA_BYTES: Final = 512 * 1024
"""An event with more goes without its data; topics take a megabyte a message unless their keeper says otherwise."""

_NOTHING: Final = b"{}"
_FIXED: Final[Headers] = (
    ("content-type", CONTENT_TYPE.encode()),
    ("ce_specversion", SPEC_VERSION.encode()),
    ("ce_type", ProjectChanged.ce_type.encode()),
)
_ENCODER: Final = msgspec.json.Encoder()
_CUT: Final = Counter("metaqore_psmp_feed_cut_total", "Events that went without their data: it was too large.")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EventFeed:
    """Sends `ProjectChanged`, keyed by organization and project. Give it to an `EventRelay` as `give`.

    After a failure or a crash events may come again, in the same order.
    """

    publish_all: PublishAll

    async def __call__(self, events: Sequence[Relayed]) -> None:
        """Return once the broker has acked every event. Raises `BrokerUnavailable`."""
        if not events:
            return
        failures = await self.publish_all(PSMP_EVENTS, [outgoing(event) for event in events])
        for event, failure in zip(events, failures, strict=True):
            if isinstance(failure, RecordTooLarge):
                await self._without_data(event)
            elif failure is not None:
                raise failure

    async def _without_data(self, event: Relayed) -> None:
        """What the topic does not take whole must not hold up all that comes behind it."""
        for failure in await self.publish_all(PSMP_EVENTS, [outgoing(event, whole=False)]):
            if failure is not None:
                raise failure


def outgoing(event: Relayed, *, whole: bool = True) -> Outgoing:
    """Key, value and headers. The same event always makes the same."""
    value = change(event)
    if not whole or len(event.body) > MAX_DATA_BYTES:
        value["data"] = msgspec.Raw(_NOTHING)
        _CUT.inc()
        _log.warning("psmp.event_cut", id=event.id, name=event.name, size_bytes=len(event.body))
    headers = (
        *_FIXED,
        ("ce_source", f"/metaqore/ai-gateway/psmp/{quote(event.organization, safe='')}".encode()),
        ("ce_id", event.id.encode()),
        ("ce_subject", event.aggregate_id.encode()),
    )
    return f"{event.organization}/{event.project}".encode(), _ENCODER.encode(value), headers
