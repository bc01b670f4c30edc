"""Events as they are stored: a name, a schema number, and JSON. Old ones are upcast when read, never rewritten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, get_args

from pydantic import TypeAdapter, ValidationError

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp import artifact_events, project, work

Event = artifact_events.Event | project.Event | work.Event
Data = dict[str, Any]

_AGGREGATES: Final[Mapping[str, Any]] = {
    "artifact": artifact_events.Event,
    "project": project.Event,
    "task": work.Event,
}
EVENT_CLASSES: Final[Mapping[str, type[Any]]] = {
    f"{aggregate}.{class_.__name__}": class_ for aggregate, union in _AGGREGATES.items() for class_ in get_args(union)
}
"""The class of each name, as its newest schema has it."""

_NAMES: Final[Mapping[type[Any], str]] = {class_: name for name, class_ in EVENT_CLASSES.items()}

UPCASTS: Final[Mapping[tuple[str, int], Callable[[Data], Data]]] = {}
"""For each event name and schema number that is no longer written: what makes its data the next schema's."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """`data` holds what JSON holds."""

    name: str
    schema: int
    data: Data


def encode(event: Event) -> StoredEvent:
    """The event in its newest schema."""
    name = name_of(event)
    return StoredEvent(name, current_schema(name, UPCASTS), _adapter(name).dump_python(event, mode="json"))


def name_of(event: Event) -> str:
    """The name under which such events are stored."""
    return _NAMES[type(event)]


def decode(stored: StoredEvent, upcasts: Mapping[tuple[str, int], Callable[[Data], Data]] = UPCASTS) -> Event:
    """The event, whatever schema it was written in. Raises `MetaQoreError` `event_unreadable`."""
    newest = current_schema(stored.name, upcasts)
    if stored.name not in EVENT_CLASSES or not 1 <= stored.schema <= newest:
        raise _unreadable(f"this version of MetaQore knows no {stored.name} of schema {stored.schema}")
    data = stored.data
    for schema in range(stored.schema, newest):
        data = upcasts[stored.name, schema](data)
    try:
        event: Event = _adapter(stored.name).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _unreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return event


def current_schema(name: str, upcasts: Mapping[tuple[str, int], Callable[[Data], Data]]) -> int:
    """The schema that is written now: one more than the upcasts that lead to it."""
    schema = 1
    while (name, schema) in upcasts:
        schema += 1
    return schema


def _unreadable(why: str) -> MetaQoreError:
    return MetaQoreError(
        "event_unreadable", f"A stored event cannot be read: {why}. Update MetaQore.", kind=ErrorKind.UNPROCESSABLE
    )


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(EVENT_CLASSES[name])
