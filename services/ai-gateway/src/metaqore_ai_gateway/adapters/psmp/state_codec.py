"""States and events as bytes."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from pydantic import TypeAdapter

from metaqore_ai_gateway.service.psmp.asked import Kind, State
from metaqore_governance_core.canonical import canonical_plain
from metaqore_governance_core.psmp.artifact_state import Artifact, OpenConflict
from metaqore_governance_core.psmp.event_codec import Event, StoredEvent, decode, encode
from metaqore_governance_core.psmp.project import Project
from metaqore_governance_core.psmp.work import Work

_STATES: Final[dict[Kind, TypeAdapter[Any]]] = {
    Kind.ARTIFACT: TypeAdapter(Artifact),
    Kind.PROJECT: TypeAdapter(Project),
    Kind.TASK: TypeAdapter(Work),
}
_OPEN_CONFLICT: Final = TypeAdapter(OpenConflict)


def encode_state(kind: Kind, state: State) -> bytes:
    """A state as JSON; `state_bytes` is its canonical form, this one is for reading it back fast."""
    return _STATES[kind].dump_json(state)


def decode_state(kind: Kind, body: bytes) -> State:
    """The state of these bytes."""
    state: State = _STATES[kind].validate_json(body)
    return state


def encode_event(event: Event) -> tuple[str, int, bytes]:
    """An event's name, its schema, and its data by RFC 8785."""
    stored = encode(event)
    return stored.name, stored.schema, canonical_plain(stored.data)


def decode_event(name: str, schema: int, body: bytes) -> Event:
    """The event, whatever schema it was written in."""
    return decode(StoredEvent(name, schema, msgspec.json.decode(body)))


def encode_open_conflict(conflict: OpenConflict) -> bytes:
    """An open conflict as JSON."""
    return _OPEN_CONFLICT.dump_json(conflict)


def decode_open_conflict(body: bytes) -> OpenConflict:
    """The open conflict of these bytes."""
    conflict: OpenConflict = _OPEN_CONFLICT.validate_json(body)
    return conflict
