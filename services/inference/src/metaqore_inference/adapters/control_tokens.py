"""Keeps the text of a chat from being read as the model's control tokens, such as the end of a turn.

llama.cpp reads `<|im_end|>` as that token wherever it stands in the prompt that it made of a chat, so that a document
in a message could end the message and begin one in another's name. The tokens stand in the model's file (GGUF
specification: `tokenizer.ggml.tokens`, and `tokenizer.ggml.token_type`, in which 3 is a control token).
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any, BinaryIO, Final

WORD_JOINER: Final = "\u2060"
"""Has no width: whoever reads the text, a model too, reads the same."""

_CONTROL: Final = 3
_TOKENS: Final = "tokenizer.ggml.tokens"
_TYPES: Final = "tokenizer.ggml.token_type"
_STRING: Final = 8
_ARRAY: Final = 9
_NUMBERS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class ControlTokens:
    """The control tokens of one model."""

    def __init__(self, tokens: list[str]) -> None:
        longest_first = sorted(filter(None, tokens), key=len, reverse=True)
        self._any = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def as_text(self, value: Any) -> Any:
        """The JSON `value` with a word joiner in each control token that one of its strings holds."""
        match value:
            case str():
                return self._any.sub(_broken, value)
            case list():
                return [self.as_text(item) for item in value]
            case dict():
                return {name: self.as_text(item) for name, item in value.items()}
            case _:
                return value


def _broken(found: re.Match[str]) -> str:
    token = found.group()
    return token[0] + WORD_JOINER + token[1:]


def control_tokens_of(file: Path) -> ControlTokens:
    """The control tokens of the model in a GGUF file: blocks while it reads the file's head."""
    found: dict[str, Any] = {}
    with file.open("rb") as gguf:
        *_, entries = _read(gguf, "4sIQQ")
        for _ in range(entries):
            name = _string(gguf)
            found[name] = _value(gguf, *_read(gguf, "I"))
            if _TOKENS in found and _TYPES in found:
                break
    kinds = zip(found.get(_TOKENS, ()), found.get(_TYPES, ()), strict=True)
    return ControlTokens([token for token, kind in kinds if kind == _CONTROL])


def _value(gguf: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(gguf)
    if kind != _ARRAY:
        return _read(gguf, _NUMBERS[kind])[0]
    kind, size = _read(gguf, "IQ")
    return (
        list(_read(gguf, f"{size}{_NUMBERS[kind]}")) if kind in _NUMBERS else [_value(gguf, kind) for _ in range(size)]
    )


def _string(gguf: BinaryIO) -> str:
    (size_bytes,) = _read(gguf, "Q")
    return gguf.read(size_bytes).decode("utf-8", "replace")


def _read(gguf: BinaryIO, layout: str) -> tuple[Any, ...]:
    layout = f"<{layout}"
    return struct.unpack(layout, gguf.read(struct.calcsize(layout)))
