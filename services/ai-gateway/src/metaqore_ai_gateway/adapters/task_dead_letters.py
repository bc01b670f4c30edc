"""Dead letters of the topic of tasks, which hold no prompt."""

from __future__ import annotations

from dataclasses import replace

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.kafka import DeadLetters, KafkaRecord

SERVICE = "ai-gateway"
_EVENT_HEADERS = "ce_"


class TaskDeadLetters(DeadLetters):
    """Keeps of a record its key, its `ce_*` headers and its cause; topic, partition and offset say where it lies.

    What could not be read may hold a prompt or a key anywhere, and nothing was scanned: so the value stays behind.
    """

    async def bury(self, record: KafkaRecord, consumer: str, cause: MetaQoreError) -> None:
        """Return once the broker acked the dead letter. The topic is named by the service, as the contract says."""
        del consumer
        kept = tuple((name, value) for name, value in record.headers if name.lower().startswith(_EVENT_HEADERS))
        size = ("dlq_value_size_bytes", str(len(record.value or b"")).encode())
        await super().bury(replace(record, value=b"", headers=(*kept, size)), SERVICE, cause)
