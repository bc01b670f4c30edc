"""The one spelling of each value: JSON by RFC 8785, lower-case hex, padded base64."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from typing import Any, Final

import rfc8785

CanonicalizationError = rfc8785.CanonicalizationError

_PLAIN: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")


def canonical(value: Any) -> bytes:
    """`value` as RFC 8785 bytes. Raises `CanonicalizationError` for what JSON cannot hold exactly."""
    return rfc8785.dumps(value)


def canonical_plain(value: Any) -> bytes:
    """The bytes of `canonical`, ten times as fast.

    Only for what the caller itself builds: no floats, no keys beyond ASCII, no integers beyond 2^53.
    """
    return _PLAIN.encode(value).encode()


def from_hex(text: str) -> bytes:
    """The bytes of lower-case hex without spaces. Raises `ValueError` for the other spellings of `bytes.fromhex`."""
    if _HEX.fullmatch(text) is None:
        raise ValueError("This is not lower-case hex.")
    return bytes.fromhex(text)


def from_base64(text: str) -> bytes:
    """The bytes of base64 (RFC 4648 section 4) in its one exact spelling. Raises `ValueError` for any other."""
    raw = b64decode(text, validate=True)
    if b64encode(raw).decode() != text:
        raise ValueError("This is not canonical base64.")
    return raw
