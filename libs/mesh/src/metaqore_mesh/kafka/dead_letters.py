"""Dead letters: what a consumer can never handle, kept with its cause on `<topic>.<consumer>.dlq`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from metaqore_governance_core.contracts.topics import dead_letter_topic
from metaqore_mesh.kafka.errors import RecordTooLarge
from metaqore_mesh.kafka.metrics import DEAD_LETTERS
from metaqore_mesh.kafka.topics import TopicSpec

if TYPE_CHECKING:
    from metaqore_governance_core.errors import MetaQoreError
    from metaqore_mesh.kafka.publisher import Publisher
    from metaqore_mesh.kafka.records import Headers, KafkaRecord

MAX_DEAD_LETTER_BYTES = 2 * 1_048_576
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
"""Headers (lower case) that carry credentials; no dead letter has them."""


def dead_letter_spec(topic: str, consumer: str) -> TopicSpec:
    """The topic for it: one partition, and room for the cause beside the largest record."""
    configs = {"max.message.bytes": str(MAX_DEAD_LETTER_BYTES)}
    return TopicSpec(dead_letter_topic(topic, consumer), partitions=1, configs=configs)


class DeadLetters:
    """Writes dead letters: the record's own key, value and headers (less credentials), and `dlq_*` headers."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def bury(self, record: KafkaRecord, consumer: str, cause: MetaQoreError) -> None:
        """Return once the broker acked the dead letter. Raises `BrokerUnavailable` where it did not.

        A value that no longer fits beside the cause is left out, and `dlq_value_size_bytes` tells its size.
        """
        topic = dead_letter_topic(record.topic, consumer)
        headers = (*kept_headers(record), *cause_headers(record, consumer, cause))
        try:
            await self._publisher.publish(topic, record.key, record.value, headers)
        except RecordTooLarge:
            size = ("dlq_value_size_bytes", str(len(record.value or b"")).encode())
            await self._publisher.publish(topic, record.key, b"", (*headers, size))
        DEAD_LETTERS.labels(topic=record.topic, consumer=consumer, code=cause.code).inc()


def kept_headers(record: KafkaRecord) -> Headers:
    """The record's headers without those that carry credentials."""
    return tuple((name, value) for name, value in record.headers if name.lower() not in SECRET_HEADERS)


def cause_headers(record: KafkaRecord, consumer: str, cause: MetaQoreError) -> Headers:
    """Why the record is dead, where it came from, and when that was found."""
    return tuple(
        (name, text.encode())
        for name, text in (
            ("dlq_code", cause.code),
            ("dlq_message", cause.message),
            ("dlq_consumer", consumer),
            ("dlq_topic", record.topic),
            ("dlq_partition", str(record.partition)),
            ("dlq_offset", str(record.offset)),
            ("dlq_time", datetime.now(UTC).isoformat(timespec="milliseconds")),
        )
    )
