"""AsyncAPI 3.0 documents. `python -m metaqore_governance_core.contracts.asyncapi [SERVICE]` prints one."""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

from metaqore_governance_core.contracts.cloudevents import RECEIPT_EXTENSION, SPEC_VERSION
from metaqore_governance_core.contracts.event import Event
from metaqore_governance_core.contracts.psmp import CommandAnswered, CommandSubmitted
from metaqore_governance_core.contracts.registry import PARTS, Part
from metaqore_governance_core.contracts.tasks import TaskCompleted, TaskSubmitted
from metaqore_governance_core.contracts.topics import dead_letter_topic

ASYNCAPI_VERSION: Final = "3.0.0"
_FROM_ANYBODY: Final[frozenset[type[Event]]] = frozenset({TaskSubmitted, CommandSubmitted})
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_ /#$.-]*[A-Za-z0-9]|[A-Za-z]")
_RESERVED: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})


def document(service: str) -> dict[str, Any]:
    """The AsyncAPI document of a service, from the contracts. Raises `KeyError` for one without topics."""
    part = PARTS[service]
    events = (*part.reads, *part.sends)
    channels: dict[str, Any] = {}
    for event in events:
        channel = channels.setdefault(event.topic, _channel(event.topic))
        channel["messages"][event.__name__] = {"$ref": f"#/components/messages/{event.__name__}"}
    for event in part.reads:
        topic = dead_letter_topic(event.topic, service)
        channels[topic] = _channel(topic) | {"messages": {"DeadLetter": {"$ref": "#/components/messages/DeadLetter"}}}
    schemas: dict[str, Any] = {}
    for event in events:
        schemas |= _schemas(event)
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {"title": part.title, "version": "1", "description": part.description},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": _operations(service, part),
        "components": {
            "messages": {event.__name__: _message(event) for event in events} | {"DeadLetter": _dead_letter(part)},
            "schemas": schemas,
        },
    }


def _channel(topic: str) -> dict[str, Any]:
    return {"address": topic, "messages": {}}


def _operations(service: str, part: Part) -> dict[str, Any]:
    operations = {}
    for action, events in (("receive", part.reads), ("send", part.sends)):
        for event in events:
            operations[f"{action}{event.__name__}"] = _operation(action, event.topic, event.__name__)
    for event in part.reads:
        topic = dead_letter_topic(event.topic, service)
        operations[f"send{event.__name__}DeadLetter"] = _operation("send", topic, "DeadLetter")
    return operations


def _operation(action: str, topic: str, message: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{message}"}],
    }


def _message(event: type[Event]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "ce_specversion": {"type": "string", "const": SPEC_VERSION},
        "ce_type": {"type": "string", "const": event.ce_type},
        "ce_source": {"type": "string", "minLength": 1},
        "ce_id": {"type": "string", "minLength": 1},
    }
    required = list(properties)
    if event in _FROM_ANYBODY:
        properties["authorization"] = {"type": "string", "description": "Bearer and an API key."}
        required.append("authorization")
    if event in {TaskCompleted, CommandAnswered}:
        properties[f"ce_{RECEIPT_EXTENSION}"] = {"type": "string", "description": "The signed receipt token."}
    return {
        "name": event.ce_type,
        "summary": (event.__doc__ or "").strip(),
        "contentType": "application/json",
        "headers": {"type": "object", "properties": properties, "required": required},
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
    }


def _dead_letter(part: Part) -> dict[str, Any]:
    """Of what anybody may send nobody scanned the value, so it stays behind."""
    names = ("dlq_code", "dlq_message", "dlq_consumer", "dlq_topic", "dlq_partition", "dlq_offset", "dlq_time")
    texts = {name: {"type": "string"} for name in (*names, "dlq_value_size_bytes")}
    payload: dict[str, Any] = {}
    required: tuple[str, ...] = names
    if _FROM_ANYBODY.isdisjoint(part.reads):
        summary = "A message that could not be read, as it came, less its credentials; dlq_ headers tell why."
    else:
        summary = (
            "Key and ce_ headers of a message that could not be read, unless they hold a credential; dlq_ headers tell "
            "why, and where its value lies."
        )
        required, payload = (*names, "dlq_value_size_bytes"), {"type": "string", "maxLength": 0}
    headers = {"type": "object", "properties": texts, "required": [*required]}
    return {"name": "dead letter", "summary": summary, "headers": headers, "payload": payload}


def _schemas(event: type[Event]) -> dict[str, Any]:
    schema = event.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs", {}), event.__name__: schema}


def to_yaml(value: Any) -> str:
    """`value` as YAML 1.2: blocks, and strings in JSON's quotes where they are not plain words."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> list[str]:
    lines: list[str] = []
    if isinstance(value, dict):
        for key, item in value.items():
            lines.extend(_entry(f"{_scalar(key)}:", item))
    else:
        for item in value:
            first, *rest = _lines(item) if _is_block(item) else [_scalar(item)]
            lines.extend([f"- {first}", *(f"  {line}" for line in rest)])
    return lines


def _entry(head: str, item: Any) -> list[str]:
    if _is_block(item):
        return [head, *(f"  {line}" for line in _lines(item))]
    return [f"{head} {_scalar(item)}"]


def _is_block(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED and " #" not in value:
        return value
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write("".join(to_yaml(document(service)) for service in sys.argv[1:]) or "\n".join(PARTS) + "\n")
