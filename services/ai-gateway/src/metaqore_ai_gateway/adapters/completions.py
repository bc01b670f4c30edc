"""The little that the gateway reads of what a model says: how it ended and what it cost."""

from __future__ import annotations

from typing import Any

import msgspec

from metaqore_ai_gateway.adapters.provider_errors import failed
from metaqore_ai_gateway.domain.outcome import Usage


class _Choice(msgspec.Struct):
    index: int | float | str | None = 0
    finish_reason: str | None = None


class _Tokens(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Completion(msgspec.Struct):
    """A `chat.completion` or one of its chunks; whatever else is in it stays unread."""

    choices: list[_Choice] | None = None
    usage: _Tokens | None = None
    error: Any = None

    @property
    def usage_alone(self) -> bool:
        """Whether it is the chunk that holds nothing but usage."""
        return not self.choices and self.usage is not None


_DECODER = msgspec.json.Decoder(Completion)


def read_completion(data: bytes) -> Completion:
    """The parts of `data` that matter here. Raises `provider_failed` where it is no such JSON, or an error.

    What is not read here is UTF-8 as well: whoever reads the answer's text need not ask.
    """
    try:
        completion = _DECODER.decode(data)
        if not data.isascii():
            data.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise failed("answer_unreadable") from None
    if completion.error is not None:
        raise failed("error_in_answer")
    return completion


def asks_for_usage(body: dict[str, Any]) -> bool:
    """Whether a request wants the chunk that holds nothing but usage (`stream_options.include_usage`)."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


class UsageTally:
    """Gathers the usage of one answer from its chunks, of which each may bring a part."""

    __slots__ = ("_finish_reason", "_open", "_tokens")

    def __init__(self) -> None:
        self._open: set[int | float | str | None] = set()
        self._finish_reason: str | None = None
        self._tokens = _Tokens()

    def add(self, completion: Completion) -> None:
        """Take in a chunk, or the whole."""
        for choice in completion.choices or ():
            if choice.finish_reason:
                self._finish_reason = choice.finish_reason
                self._open.discard(choice.index)
            else:
                self._open.add(choice.index)
        if completion.usage is not None:
            self._tokens = completion.usage

    @property
    def finished(self) -> bool:
        """Whether every choice that began has said why it ended."""
        return self._finish_reason is not None and not self._open

    @property
    def usage(self) -> Usage:
        """What is known of it. A negative or fancy number is no count, and a long reason no reason."""
        return Usage(
            finish_reason=_short(self._finish_reason),
            prompt_tokens=_count(self._tokens.prompt_tokens),
            completion_tokens=_count(self._tokens.completion_tokens),
        )


_REASON_CHARACTERS = 32
_MAX_TOKENS = 2**53


def _short(reason: str | None) -> str | None:
    """A finish reason as a code: records hold no text that a provider chose freely."""
    if reason is None or (len(reason) <= _REASON_CHARACTERS and reason.isascii() and reason.isidentifier()):
        return reason
    return "other"


def _count(tokens: int | None) -> int | None:
    return tokens if tokens is not None and 0 <= tokens < _MAX_TOKENS else None
