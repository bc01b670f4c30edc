"""A command to PSMP as it comes over the bus."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from metaqore_ai_gateway.domain.chat import SEPARATOR
from metaqore_ai_gateway.domain.strict_json import parse_object, text_of
from metaqore_ai_gateway.domain.task_result import RequestName
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.contracts.psmp import CommandSubmitted
from metaqore_governance_core.contracts.psmp_commands import COMMAND_NAMES
from metaqore_governance_core.errors import MetaQoreError


class InvalidCommandError(MetaQoreError):
    """What was read is no command, or lacks what it needs. `name` is the command's, empty where there is none."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__("command_invalid", message)
        self.name = name


def read_command(value: bytes) -> CommandSubmitted:
    """The command in the value of an event. Unknown fields are passed over.

    Raises `InvalidJsonError` where nobody can read it, as it is not JSON that every parser reads alike, and
    `InvalidCommandError` where it is and holds no command. What they say of that repeats nothing of the value.
    """
    given = parse_object(value)
    text_of(given, SEPARATOR)  # for what it refuses: nesting, numbers and texts that nobody else could read
    try:
        return CommandSubmitted.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = _place(first["loc"])
        message = (
            f"The value is no command that is read here: {first['type']} at {where}. See {CommandSubmitted.ce_type}."
        )
        raise InvalidCommandError(_name(given), message) from None


def command_key(request: RequestName) -> str:
    """The idempotency key that stands for the event `request`, and for no other: 255 characters would not hold both."""
    named = canonical([request.source, request.id])
    return f"kafka:{hashlib.sha256(named).hexdigest()}"


def _name(given: Mapping[str, Any]) -> str:
    command = given.get("command")
    name = command.get("name") if isinstance(command, Mapping) else None
    return name if isinstance(name, str) and name in COMMAND_NAMES else ""


def _place(location: tuple[int | str, ...]) -> str:
    """Where in the command, in the contract's words alone: a label's name is somebody's text."""
    return ".".join(str(part) if isinstance(part, int) or part in _WORDS else "*" for part in location) or "the top"


def _fields(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            yield from properties
        for one in schema.values():
            yield from _fields(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from _fields(one)


_WORDS: Final = frozenset({*COMMAND_NAMES, *_fields(CommandSubmitted.model_json_schema())})
