"""A record as the broker holds it."""

from __future__ import annotations

from metaqore_governance_core.value_object import value_object

Headers = tuple[tuple[str, bytes | None], ...]
"""Headers in order; a name may repeat and a value may be null."""

Outgoing = tuple[bytes | None, bytes | None, Headers]
"""A record to publish: key, value and headers."""


@value_object
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
        headers = sum([len(name) + len(value or b"") for name, value in self.headers])
        return len(self.key or b"") + len(self.value or b"") + headers


class UnreadableRecord(KafkaRecord):
    """A record that the client library cannot take apart; of it only the place is known."""

    __slots__ = ()
