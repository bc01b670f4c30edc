"""States and events as bytes.

msgspec writes and reads them at a quarter of what pydantic takes. With its names sorted, what it writes of our classes,
which hold no floats and no keys beyond ASCII, is RFC 8785; a test holds it to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from metaqore_ai_gateway.service.psmp.asked import Kind, State
from metaqore_governance_core.psmp.artifact_state import Artifact, OpenConflict
from metaqore_governance_core.psmp.event_codec import (
    EVENT_CLASSES,
    UPCASTS,
    Event,
    StoredEvent,
    current_schema,
    decode,
    name_of,
)
from metaqore_governance_core.psmp.project import Project
from metaqore_governance_core.psmp.work import Work

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_STATES: Final[Mapping[Kind, msgspec.json.Decoder[Any]]] = {
    Kind.ARTIFACT: msgspec.json.Decoder(Artifact),
    Kind.PROJECT: msgspec.json.Decoder(Project),
    Kind.TASK: msgspec.json.Decoder(Work),
}
_EVENTS: Final = {
    (name, current_schema(name, UPCASTS)): msgspec.json.Decoder(class_) for name, class_ in EVENT_CLASSES.items()
}
_SCHEMAS: Final = dict(_EVENTS.keys())
_OPEN_CONFLICT: Final = msgspec.json.Decoder(OpenConflict)


def encode_state(state: State) -> bytes:
    """A state as JSON, for reading it back; `state_bytes` of the core is its form for all time."""
    return _encode(state)


def decode_state(kind: Kind, body: bytes) -> State:
    """The state of these bytes."""
    state: State = _STATES[kind].decode(body)
    return state


def encode_event(event: Event) -> tuple[str, int, bytes]:
    """An event's name, its schema, and its data by RFC 8785."""
    name = name_of(event)
    return name, _SCHEMAS[name], _encode(event)


def decode_event(name: str, schema: int, body: bytes) -> Event:
    """The event, whatever schema it was written in. Raises `MetaQoreError` `event_unreadable`."""
    decoder = _EVENTS.get((name, schema))
    if decoder is not None:
        try:
            event: Event = decoder.decode(body)
        except msgspec.ValidationError:
            pass  # the core says what is wrong with it
        else:
            return event
    return decode(StoredEvent(name, schema, msgspec.json.decode(body)))


def encode_open_conflict(conflict: OpenConflict) -> bytes:
    """An open conflict as JSON."""
    return _encode(conflict)


def decode_open_conflict(body: bytes) -> OpenConflict:
    """The open conflict of these bytes."""
    return _OPEN_CONFLICT.decode(body)
