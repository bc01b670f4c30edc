"""The feed of task events: the spool is its outbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from metaqore_ai_gateway.adapters.lifecycle_events import lifecycle_events
from metaqore_governance_core.contracts.topics import TASK_LIFECYCLE
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.kafka.records import Outgoing
from metaqore_mesh.spool.groups import StoredGroup

ANNOUNCED: Final = "announced"
"""The holder that keeps the spool's groups until their events are sent."""


class PublishAll(Protocol):
    """`Publisher.publish_all` of `metaqore_mesh.kafka`."""

    async def __call__(self, topic: str, records: Sequence[Outgoing], /) -> Sequence[MetaQoreError | None]:
        """Send records, in order for each key, and wait for their acks. For each: None, or why it was not acked."""
        ...


@dataclass(frozen=True, slots=True)
class LifecycleFeed:
    """Sends the events of groups, keyed by task. After a failure or a crash they may come again, in the same order."""

    publish_all: PublishAll

    async def __call__(self, groups: Sequence[StoredGroup]) -> None:
        """Return once the broker has acked every event. Raises `BrokerUnavailable`."""
        events = [event for group in groups for event in lifecycle_events(group.value)]
        failures = [failure for failure in await self.publish_all(TASK_LIFECYCLE, events) if failure is not None]
        # What no repeat can mend goes first: it must not be tried for ever.
        for failure in sorted(failures, key=lambda failure: failure.retryable):
            raise failure
