"""The text of an answer in OpenAI's form."""

from __future__ import annotations

from typing import Final

import msgspec


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    delta: _Message | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []


_DECODER: Final = msgspec.json.Decoder(_Completion)


def answer_text(data: bytes) -> str | None:
    """The text of a `chat.completion` or of a `chat.completion.chunk`; None where it has none (a tool call)."""
    try:
        choices = _DECODER.decode(data).choices
    except msgspec.MsgspecError:
        return None
    part = (choices[0].message or choices[0].delta) if choices else None
    return part.content if part else None
