"""A record as the broker holds it, and the CloudEvents headers it may carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metaqore_mesh.kafka.errors import HeaderMissing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import ConsumerRecord

Headers = tuple[tuple[str, bytes | None], ...]
"""Headers in order; a name may repeat and a value may be null."""

SPEC_VERSION = "1.0"
_REQUIRED = ("specversion", "type", "source", "id")
_PREFIX = "ce_"


@dataclass(frozen=True, slots=True)
class KafkaRecord:
    """One record, undecoded: nothing in it was parsed, so nothing in it can fail to parse."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    def header(self, name: str) -> bytes | None:
        """The last value of header `name`; None where it is missing or null."""
        for key, value in reversed(self.headers):
            if key == name:
                return value
        return None

    @property
    def size_bytes(self) -> int:
        """What it costs to hold: key, value and headers."""
        size = len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size += len(name) + len(value or b"")
        return size


def record_from(raw: ConsumerRecord[bytes, bytes]) -> KafkaRecord:
    """The client library's record as ours."""
    return KafkaRecord(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers), raw.timestamp)


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """The attributes of a CloudEvents 1.0 event in Kafka's binary mode (its payload is the record's value).

    `extensions` holds every further `ce_*` header, without the prefix.
    """

    id: str
    source: str
    type: str
    specversion: str = SPEC_VERSION
    extensions: Mapping[str, str] | None = None

    def headers(self) -> Headers:
        """The `ce_*` headers of this event, values in UTF-8 (CloudEvents Kafka binding 1.0, section 3.2)."""
        attributes = {
            "specversion": self.specversion,
            "type": self.type,
            "source": self.source,
            "id": self.id,
            **(self.extensions or {}),
        }
        return tuple((_PREFIX + name, text.encode()) for name, text in attributes.items())


def cloud_event(record: KafkaRecord) -> CloudEvent:
    """The event that `record` carries. Raises `HeaderMissing`, which names the first header that does not do."""
    attributes: dict[str, str] = {}
    for name, value in record.headers:
        if name.startswith(_PREFIX) and value:
            try:
                attributes[name[len(_PREFIX) :]] = value.decode()
            except UnicodeDecodeError:
                raise HeaderMissing(name) from None
    for name in _REQUIRED:
        if name not in attributes:
            raise HeaderMissing(_PREFIX + name)
    specversion, kind, source, identifier = (attributes.pop(name) for name in _REQUIRED)
    return CloudEvent(identifier, source, kind, specversion, attributes)
