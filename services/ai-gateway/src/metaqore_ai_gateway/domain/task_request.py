"""A task as it comes over the bus: an OpenAI chat or a prompt, with what goes beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from metaqore_ai_gateway.domain.chat import ChatTask, Envelope, chat_from_body
from metaqore_ai_gateway.domain.strict_json import parse_object
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_governance_core.sensitivity import Sensitivity

FORWARDED: Final = (
    "model",
    "messages",
    "max_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "tools",
    "tool_choice",
    "response_format",
)
"""The fields that reach a model. Others are not passed on, so they need no scan."""

MAX_PROJECT_CHARACTERS: Final = 256


@dataclass(frozen=True, slots=True)
class TaskDefaults:
    """What a task takes that it does not say. `deadline_s` and `longest_deadline_s` are seconds from acceptance."""

    model: str
    deadline_s: float
    longest_deadline_s: float


def read_task(value: bytes, task: str, defaults: TaskDefaults, traceparent: str | None = None) -> ChatTask:
    """The chat task in the value of an event. The record commits to all of `value`.

    Raises `MetaQoreError` of kind invalid where it cannot be read as a task: not JSON that every parser reads alike,
    neither or both of `messages` and `prompt`, a field of the wrong type. Unknown fields are passed over. Raises it of
    kind deadline_exceeded where it can be read and leaves no time to run it.
    """
    given = parse_object(value)
    body = {name: given[name] for name in FORWARDED if given.get(name) is not None}
    body.setdefault("model", defaults.model)
    prompt = given.get("prompt")
    if (prompt is None) == ("messages" not in body):
        raise MetaQoreError("task_without_question", "Give either messages or prompt.")
    if prompt is not None:
        if type(prompt) is not str or not prompt:
            raise _wrong("prompt", "a non-empty string")
        body["messages"] = [{"role": "user", "content": prompt}]
    deadline_s = _deadline_s(given.get("deadline_s"), defaults)
    envelope = Envelope(
        id=task,
        door=Door.KAFKA,
        deadline_s=deadline_s if deadline_s > 0 else defaults.deadline_s,
        label=_label(given.get("sensitivity")),
        project=check_project(given.get("project")),
        traceparent=traceparent,
        propose_files=_flag(given.get("propose_files"), "propose_files"),
    )
    chat = chat_from_body(body, value, envelope)
    if deadline_s <= 0:
        message = "The task's deadline was past when it was sent. Send it again with more time."
        raise MetaQoreError("deadline_exceeded", message, kind=ErrorKind.DEADLINE_EXCEEDED)
    return chat


def _deadline_s(value: Any, defaults: TaskDefaults) -> float:
    if value is None:
        return defaults.deadline_s
    if type(value) not in (int, float):
        raise _wrong("deadline_s", "a number of seconds")
    return float(max(-1, min(value, defaults.longest_deadline_s)))  # bounded first: JSON has integers beyond all floats


def _label(value: Any) -> Sensitivity | None:
    if value is None:
        return None
    if type(value) is not str:
        raise _wrong("sensitivity", "the name of a sensitivity")
    return Sensitivity.parse(value)


def _flag(value: Any, name: str) -> bool:
    if value is not None and type(value) is not bool:
        raise _wrong(name, "true or false")
    return value is True


def check_project(value: Any) -> str | None:
    """The name of a project, if any. Raises `invalid_type`."""
    if value is None:
        return None
    if type(value) is not str or not 0 < len(value) <= MAX_PROJECT_CHARACTERS or not value.isprintable():
        raise _wrong("project", f"1 to {MAX_PROJECT_CHARACTERS} printable characters")
    return value


def _wrong(name: str, wanted: str) -> MetaQoreError:
    return MetaQoreError("invalid_type", f"`{name}` must be {wanted}.")
