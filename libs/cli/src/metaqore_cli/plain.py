"""Messages of PSMP as plain values for programs: numbers as numbers, enums by their short names, times in ISO 8601."""

from __future__ import annotations

from typing import Any, Final, cast

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from metaqore.gateway.v1 import gateway_pb2 as gateway
from metaqore_cli.names import enum_name, sensitivity_name

_SENSITIVITY: Final = gateway.Sensitivity.DESCRIPTOR
"""Its names are written large wherever people meet them."""

_AS_JSON: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Struct"})


def plain(message: Message) -> dict[str, Any]:
    """Every field by its name. What is not set and could be is None; bytes are hex."""
    return {field.name: _field(message, field) for field in _fields(message) if _told(message, field)}


def _fields(message: Message) -> list[FieldDescriptor]:
    return cast("list[FieldDescriptor]", list(message.DESCRIPTOR.fields))


def _told(message: Message, field: FieldDescriptor) -> bool:
    """Of fields that exclude each other only the one that is set."""
    real = field.containing_oneof is not None and not field.containing_oneof.name.startswith("_")
    return not real or message.HasField(field.name)


def _field(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        return [_value(field, one) for one in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value(field, value)


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return MessageToDict(value) if value.DESCRIPTOR.full_name in _AS_JSON else plain(value)
    if field.enum_type is not None:
        return sensitivity_name(value) if field.enum_type is _SENSITIVITY else enum_name(field.enum_type, value)
    return value.hex() if isinstance(value, bytes) else value
