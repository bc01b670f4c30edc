"""JSON read strictly: what two parsers could read differently is refused, so what is scanned is what is sent."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import jiter

from metaqore_governance_core.errors import MetaQoreError

MAX_DEPTH: Final = 64
_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**64 - 1
_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class InvalidJsonError(MetaQoreError):
    """The text is not JSON that every parser reads alike (RFC 8259 section 4, RFC 7493)."""


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises `InvalidJsonError` for bad UTF-8, a repeated key at any depth, NaN, Infinity,
    half of a surrogate pair, and anything but an object. `text_of` bounds its nesting and its numbers.
    """
    try:
        value = jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise _refused(raw, str(error)) from None
    if type(value) is not dict:
        raise InvalidJsonError("invalid_json", "The body must be a JSON object.")
    return value


def _refused(raw: bytes, why: str) -> InvalidJsonError:
    """What jiter says, in our codes; it names a repeated key, which may be a secret."""
    if why.startswith("Detected duplicate key"):
        return InvalidJsonError("duplicate_key", "An object in the body has the same key twice. Send each key once.")
    if why.startswith("recursion limit"):
        return _too_deep()
    if why.startswith("number out of range"):
        return _out_of_range()
    if "hex escape" in why:
        return _half_a_pair() if _ESCAPED_SURROGATE.search(raw) else _not_json(why)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return InvalidJsonError("invalid_utf8", f"The body is not UTF-8: see byte {error.start}.")
    return _not_json(why)


def text_of(value: Any, separator: str) -> str:
    """Every text in `value` that a model or tool could read, with `separator` between: keys and strings at any depth,
    and long numbers.

    Raises `InvalidJsonError` where `value` is nested deeper than `MAX_DEPTH`, holds a number beyond 64 bits, or half of
    a surrogate pair (which has no UTF-8 form, so it could not be sent on as it came).
    """
    texts: list[str] = []
    _collect(value, texts, MAX_DEPTH)
    text = separator.join(texts)
    if text.count(separator) >= len(texts):  # within a text it would hide what it parts
        text = separator.join(one.replace(separator, "") for one in texts)
    if not text.isascii():
        _require_utf8(text)
    return text


def _collect(value: Any, texts: list[str], depth: int) -> None:
    if type(value) is str:
        texts.append(value)
    elif isinstance(value, dict):
        if not depth:
            raise _too_deep()
        for key, item in value.items():
            texts.append(key)
            if type(item) is str:
                texts.append(item)
            else:
                _collect(item, texts, depth - 1)
    elif isinstance(value, list):
        if not depth:
            raise _too_deep()
        for item in value:
            _collect(item, texts, depth - 1)
    elif isinstance(value, (int, float)):
        _collect_number(value, texts)


_LONG_NUMBER: Final = 10**11
"""From here on a number has the twelve digits that the shortest card number has."""


def _collect_number(value: float, texts: list[str]) -> None:
    if -_LONG_NUMBER < value < _LONG_NUMBER:
        return
    if math.isinf(value) if type(value) is float else not _MIN_INT <= value <= _MAX_INT:
        raise _out_of_range()
    texts.append(str(abs(int(value))))


def _require_utf8(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise _half_a_pair() from None


def _not_json(why: str) -> InvalidJsonError:
    return InvalidJsonError("invalid_json", f"The body is not valid JSON: {why}.")


def _half_a_pair() -> InvalidJsonError:
    return InvalidJsonError("invalid_unicode", r"A string holds half of a surrogate pair (\ud800 to \udfff).")


def _too_deep() -> InvalidJsonError:
    return InvalidJsonError("nested_too_deep", f"The body is nested deeper than {MAX_DEPTH} levels.")


def _out_of_range() -> InvalidJsonError:
    return InvalidJsonError("number_out_of_range", "A number in the body does not fit 64 bits.")
