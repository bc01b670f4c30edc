"""CloudEvents 1.0 attributes as Kafka headers (Kafka protocol binding, binary content mode)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.value_object import value_object

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/json"
RECEIPT_EXTENSION: Final = "metaqorereceipt"
_REQUIRED: Final = ("id", "source", "specversion", "type")
_MAX_ATTRIBUTE_CHARACTERS: Final = 512
_CONTROL: Final = re.compile(r"[\x00-\x1f]")

Headers = list[tuple[str, bytes]]


@value_object
class EventAttributes:
    """What a CloudEvent says about itself. `source` and `id` together name it."""

    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    traceparent: str | None = None
    receipt: str | None = None


def event_headers(attributes: EventAttributes) -> Headers:
    """The headers of a message with these attributes and a JSON value."""
    optional = {
        "ce_subject": attributes.subject,
        "ce_time": attributes.time,
        "ce_traceparent": attributes.traceparent,
        f"ce_{RECEIPT_EXTENSION}": attributes.receipt,
    }
    return [
        ("content-type", CONTENT_TYPE.encode()),
        ("ce_specversion", SPEC_VERSION.encode()),
        ("ce_type", attributes.type.encode()),
        ("ce_source", attributes.source.encode()),
        ("ce_id", attributes.id.encode()),
        *((name, value.encode()) for name, value in optional.items() if value is not None),
    ]


def parse_event_headers(headers: Iterable[tuple[str, bytes | None]]) -> EventAttributes:
    """The attributes in a message's headers; other headers are passed over.

    Raises `MetaQoreError`: `event_attribute_missing`, `event_attribute_invalid`, `event_version_unknown`.
    """
    found: dict[str, str] = {}
    for key, value in headers:
        lowered = key.lower()
        if lowered.startswith("ce_"):
            name = lowered[3:]
            if name in found:
                raise MetaQoreError("event_attribute_invalid", f"The header ce_{name} may stand only once.")
            found[name] = _text(name, value)
    for name in _REQUIRED:
        if not found.get(name):
            raise MetaQoreError("event_attribute_missing", f"Send the header ce_{name} with the message.")
    if found["specversion"] != SPEC_VERSION:
        raise MetaQoreError("event_version_unknown", f"Send ce_specversion {SPEC_VERSION}; no other is read here.")
    return EventAttributes(
        id=found["id"],
        source=found["source"],
        type=found["type"],
        subject=found.get("subject"),
        time=found.get("time"),
        traceparent=found.get("traceparent"),
        receipt=found.get(RECEIPT_EXTENSION),
    )


def _text(name: str, value: bytes | None) -> str:
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        raise MetaQoreError("event_attribute_invalid", f"The header ce_{name} is not UTF-8.") from None
    limited = name in _REQUIRED
    # What is printable holds no control character, and that is quickly told.
    if (limited and len(text) > _MAX_ATTRIBUTE_CHARACTERS) or (not text.isprintable() and _CONTROL.search(text)):
        raise MetaQoreError(
            "event_attribute_invalid",
            f"The header ce_{name} has at most {_MAX_ATTRIBUTE_CHARACTERS} characters and no control characters.",
        )
    return text
