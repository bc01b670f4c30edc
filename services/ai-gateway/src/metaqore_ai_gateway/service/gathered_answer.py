"""An answer in OpenAI's form, gathered whole or chunk by chunk: its text, and the tools that it calls."""

from __future__ import annotations

from typing import Final

import msgspec

from metaqore_ai_gateway.domain.tool_files import ToolCall

MAX_TEXT_CHARACTERS: Final = 8 << 20
"""More is not gathered: no file in it could be as large."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int = 0
    function: _Function | None = None


class _Part(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Message | None = None
    delta: _Message | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []


_DECODER: Final = msgspec.json.Decoder(_Completion)


class GatheredAnswer:
    """The first choice of an answer. What cannot be read adds nothing."""

    __slots__ = ("_calls", "_size", "_texts", "too_large")

    def __init__(self) -> None:
        self.too_large = False
        self._size = 0
        self._texts: list[str] = []
        self._calls: dict[int, tuple[list[str], list[str]]] = {}

    @property
    def size_characters(self) -> int:
        """How much is held."""
        return self._size

    @property
    def text(self) -> str:
        """What the model said."""
        return "".join(self._texts)

    @property
    def calls(self) -> list[ToolCall]:
        """The tools that it called, in order."""
        return [ToolCall("".join(names), "".join(arguments)) for _, (names, arguments) in sorted(self._calls.items())]

    def add(self, data: bytes) -> None:
        """Take in a `chat.completion`, or one more `chat.completion.chunk`."""
        try:
            choices = _DECODER.decode(data).choices
        except msgspec.MsgspecError:
            return
        for choice in choices:
            if choice.index == 0 and choice.message is not None:
                self._add(choice.message, whole=True)
            elif choice.index == 0 and choice.delta is not None:
                self._add(choice.delta, whole=False)

    def _add(self, message: _Message, *, whole: bool) -> None:
        content = message.content
        for text in [content] if isinstance(content, str) else [part.text for part in content or ()]:
            if text and self._holds(len(text)):
                self._texts.append(text)
        for place, call in enumerate(message.tool_calls or ()):
            names, arguments = self._calls.setdefault(place if whole else call.index, ([], []))
            function = call.function
            if function is None or not self._holds(len(function.name or "") + len(function.arguments or "") + 1):
                continue
            names.append(function.name or "")
            arguments.append(function.arguments or "")

    def _holds(self, characters: int) -> bool:
        """Whether so much more has room. Once it has not, nothing is held: a part is of no use."""
        self._size += characters
        if self._size > MAX_TEXT_CHARACTERS:
            self.too_large = True
            self._texts, self._calls = [], {}
        return not self.too_large
