"""Committed checkpoints on the bus: `metaqore.audit.sealed.v1`, keyed by organization."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from metaqore_compliance_auditor.domain.seals import SealedCheckpoint
from metaqore_governance_core.contracts.audit import CheckpointSealed
from metaqore_governance_core.contracts.cloudevents import EventAttributes, event_headers
from metaqore_mesh.kafka import Publisher

SOURCE: Final = "/metaqore/compliance-auditor"


class KafkaCheckpointFeed:
    """`CheckpointFeed` on Kafka. An event's id is its log's origin and size: a repeat is the same event."""

    def __init__(self, publisher: Publisher, origin: Callable[[str], str]) -> None:
        self._publisher = publisher
        self._origin = origin

    async def publish(self, checkpoint: SealedCheckpoint) -> None:
        """See `CheckpointFeed.publish`."""
        origin = self._origin(checkpoint.organization)
        event = CheckpointSealed(
            organization=checkpoint.organization,
            origin=origin,
            size=checkpoint.head.size,
            root=checkpoint.head.root.hex(),
            checkpoint=checkpoint.note,
            time_us=checkpoint.sealed_at_us,
        )
        attributes = EventAttributes(
            id=f"{origin}/{checkpoint.head.size}",
            source=SOURCE,
            type=event.ce_type,
            subject=checkpoint.organization,
            time=datetime.fromtimestamp(checkpoint.sealed_at_us / 1_000_000, UTC).isoformat(),
        )
        headers = tuple(event_headers(attributes))
        await self._publisher.publish(
            event.topic, checkpoint.organization.encode(), event.model_dump_json().encode(), headers
        )
