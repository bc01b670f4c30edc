"""Secrets and texts of tasks, kept out of what is logged. A net under code that should not log them at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

_DEPTH = 6

_SECRET_NAME = re.compile(
    r"authorization|passw(or)?d|secret|cookie|credential|private_?key|api_?key$|(^|_)token$"
    r"|^(prompt|messages|content|answer|completion|body|text)$",
    re.IGNORECASE,
)
# An API key of ours or of a provider, a bearer token, the password in a URL.
_SECRET_TEXT = re.compile(
    r"\bmq_[\w-]{16,}|\bsk-[\w-]{16,}|(?<=\b[Bb]earer )[\w.~+/=-]{8,}|(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"
)


def redacted(name: str, value: Any) -> Any:
    """`value` as it may be logged under `name`: a secret-looking name hides it, numbers and booleans excepted."""
    if value is None or isinstance(value, int | float):
        return value
    return REDACTED if _is_secret(name) else _cleaned(value, _DEPTH)


def cleaned(text: str) -> str:
    """`text` without what looks like a key, a bearer token or a password in a URL."""
    # Nearly no text holds any of these, and looking for them costs a tenth of the expression.
    if "mq_" in text or "sk-" in text or "earer " in text or "://" in text:
        return _SECRET_TEXT.sub(REDACTED, text)
    return text


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return cleaned(value)
    if value is None or isinstance(value, int | float):
        return value
    if depth == 0:
        return REDACTED
    if isinstance(value, Mapping):
        return {str(key): REDACTED if _is_secret(str(key)) else _cleaned(x, depth - 1) for key, x in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(item, depth - 1) for item in value]
    return cleaned(str(value))


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name.replace("-", "_")) is not None
