"""A chat task: one OpenAI chat completion request, checked and ready to be governed."""

from __future__ import annotations

import math
import re
from dataclasses import field
from typing import Any, Final, get_args

from metaqore_ai_gateway.domain.strict_json import parse_object, text_of
from metaqore_governance_core.contracts.tasks import ChatMessage
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.value_object import value_object

SEPARATOR: Final = "\x00"
"""Stands between two scanned texts; no scanner rule matches across it."""

_PROJECT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class InvalidChatError(MetaQoreError):
    """The request is JSON but not a chat completion request. `param` names the field."""

    def __init__(self, code: str, message: str, param: str) -> None:
        super().__init__(code, message)
        self.param = param


@value_object
class Envelope:
    """What comes with a request rather than in it. `deadline_s` is seconds from acceptance; `label` may only raise
    the sensitivity; `traceparent` is a W3C trace context. `propose_files`: the files in the answer are to be proposed
    as artifacts, for which the caller has the scope `psmp:write`.
    """

    id: str
    door: Door
    deadline_s: float
    label: Sensitivity | None = None
    project: str | None = None
    traceparent: str | None = None
    propose_files: bool = False

    def __post_init__(self) -> None:
        if self.project is not None and not _PROJECT.fullmatch(self.project):
            message = (
                "A task names its project by 1 to 64 letters, digits, dots, dashes or underscores. "
                "Where the project's name has others, send its id."
            )
            raise InvalidChatError("project_invalid", message, "project")
        if not 0 < self.deadline_s < math.inf:
            message = "The deadline is past. Send the task again with more time."
            raise MetaQoreError("deadline_exceeded", message, kind=ErrorKind.DEADLINE_EXCEEDED, retryable=True)


@value_object
class ChatTask:
    """A checked chat request. Its prompt never shows in `repr`.

    `body` is the request as it will be forwarded, `text` every string of it and the project, which is what is scanned,
    `digest_input` the bytes that the decision record commits to, `size_bytes` their length.
    """

    envelope: Envelope
    model: str
    stream: bool
    size_bytes: int
    body: dict[str, Any] = field(repr=False)
    text: str = field(repr=False)
    digest_input: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The task's id, a UUIDv7."""
        return self.envelope.id

    @property
    def door(self) -> Door:
        """The way by which the task came in."""
        return self.envelope.door


def trace_context(sent: str | None) -> str | None:
    """What was sent as `traceparent` where it is one. It goes on to providers unscanned: nothing else may."""
    return sent if sent is not None and _TRACEPARENT.fullmatch(sent) else None


def parse_chat(raw: bytes, envelope: Envelope) -> ChatTask:
    """The chat task in the JSON `raw`. Raises `InvalidJsonError` or `InvalidChatError`, both of kind invalid."""
    return chat_from_body(parse_object(raw), raw, envelope)


def chat_from_body(body: dict[str, Any], digest_input: bytes, envelope: Envelope) -> ChatTask:
    """The chat task in the parsed `body`; the record will commit to `digest_input`. Raises like `parse_chat`."""
    text = text_of(body, SEPARATOR)
    _check(body)
    if joined := _joined_parts(body):
        text += SEPARATOR + text_of(joined, SEPARATOR)
    if envelope.project is not None:
        text += SEPARATOR + envelope.project
    return ChatTask(
        envelope=envelope,
        model=body["model"],
        stream=body.get("stream") is True,
        size_bytes=len(digest_input),
        body=body,
        text=text,
        digest_input=digest_input,
    )


def _check(body: dict[str, Any]) -> None:
    model = body.get("model")
    if type(model) is not str or not model:
        raise InvalidChatError("model_missing", "Name a model: `model` must be a non-empty string.", "model")
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        raise InvalidChatError("messages_empty", "`messages` must be a list with at least one message.", "messages")
    for index, message in enumerate(messages):
        _check_message(message, index)
    for name, value in body.items():
        if value is not None and (option := _OPTIONS.get(name)):
            _check_option(name, value, option)


def _check_option(name: str, value: Any, option: _Option) -> None:
    if type(value) not in option.types:
        raise _mistyped(name, option.wanted)
    if type(value) in _NUMBERS and not option.least <= value <= option.most:
        bounds = f"at least {option.least:g}" if option.most == math.inf else f"{option.least:g} to {option.most:g}"
        raise InvalidChatError("option_out_of_range", f"`{name}` must be {option.wanted}, {bounds}.", name)


def _joined_parts(body: dict[str, Any]) -> list[str]:
    """The text of each message that comes in parts, as a model reads it: in one."""
    joined = []
    for message in body["messages"]:
        content = message.get("content")
        if type(content) is list and len(content) > 1:
            texts = [part.get("text") for part in content if type(part) is dict]
            joined.append("".join(text for text in texts if type(text) is str))
    return joined


def _check_message(message: Any, index: int) -> None:
    if type(message) is not dict:
        raise _mistyped(f"messages[{index}]", "an object")
    role = message.get("role")
    if type(role) is not str or role not in _ROLES:
        raise _mistyped(f"messages[{index}].role", f"one of {', '.join(_ROLES)}")
    if type(message.get("content")) not in (_CONTENT_OF_CALLS if role == "assistant" else _CONTENT):
        raise _mistyped(f"messages[{index}].content", "a string or a list")


def _mistyped(param: str, wanted: str) -> InvalidChatError:
    return InvalidChatError("invalid_type", f"`{param}` must be {wanted}.", param)


_ROLES: Final = get_args(ChatMessage.model_fields["role"].annotation)
_CONTENT: Final = (str, list)
_CONTENT_OF_CALLS: Final = (*_CONTENT, type(None))
"""A model that calls tools need not say anything."""
_NUMBERS: Final = (int, float)


@value_object
class _Option:
    """What a field of a request may be: its types, what they are called, and a number's bounds."""

    types: tuple[type, ...]
    wanted: str
    least: float = -math.inf
    most: float = math.inf


_COUNT: Final = _Option((int,), "an integer", least=1)
_PENALTY: Final = _Option((int, float), "a number", least=-2, most=2)

# The bounds are OpenAI's, and those of the contract `TaskSubmitted`: one request means the same through every door.
_OPTIONS: Final = {
    "stream": _Option((bool,), "true or false"),
    "stream_options": _Option((dict,), "an object"),
    "max_tokens": _COUNT,
    "max_completion_tokens": _COUNT,
    "n": _COUNT,
    "seed": _Option((int,), "an integer"),
    "temperature": _Option((int, float), "a number", least=0, most=2),
    "top_p": _Option((int, float), "a number", least=0, most=1),
    "frequency_penalty": _PENALTY,
    "presence_penalty": _PENALTY,
    "stop": _Option((str, list), "a string or a list of strings"),
    "tools": _Option((list,), "a list"),
    "user": _Option((str,), "a string"),
}
