"""Dead letters of the topic of tasks, which hold no prompt."""

from __future__ import annotations

from dataclasses import replace

from metaqore_ai_gateway.domain.event_names import check_names
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.scanner import Scanner
from metaqore_mesh.kafka import DeadLetters, Headers, KafkaRecord, Publisher

SERVICE = "ai-gateway"
_EVENT_HEADERS = "ce_"


class TaskDeadLetters(DeadLetters):
    """Keeps of a record its key, its `ce_*` headers and its cause; topic, partition and offset say where it lies.

    What could not be read may hold a prompt or a key anywhere, and nothing was scanned: so the value stays behind. Key
    and headers do, too, where they hold a credential or cannot be scanned.
    """

    def __init__(self, publisher: Publisher, scanner: Scanner) -> None:
        super().__init__(publisher)
        self._scanner = scanner

    async def bury(self, record: KafkaRecord, consumer: str, cause: MetaQoreError) -> None:
        """Return once the broker acked the dead letter. The topic is named by the service, as the contract says."""
        del consumer
        key, kept = self._kept(record)
        size = ("dlq_value_size_bytes", str(len(record.value or b"")).encode())
        await super().bury(replace(record, key=key, value=b"", headers=(*kept, size)), SERVICE, cause)

    def _kept(self, record: KafkaRecord) -> tuple[bytes | None, Headers]:
        kept = tuple((name, value) for name, value in record.headers if name.lower().startswith(_EVENT_HEADERS))
        texts = [record.key or b"", *(text or b"" for name, value in kept for text in (name.encode(), value))]
        try:
            check_names(self._scanner, (text.decode("utf-8", "replace") for text in texts))
        except MetaQoreError:
            return None, ()
        return record.key, kept
