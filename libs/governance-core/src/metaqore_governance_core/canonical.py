"""The one form of each value: JSON by RFC 8785, the bytes under every hash and signature, and lower-case hex."""

from __future__ import annotations

import re
from typing import Any, Final

import rfc8785

CanonicalizationError = rfc8785.CanonicalizationError

_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")


def canonical(value: Any) -> bytes:
    """`value` as RFC 8785 bytes. Raises `CanonicalizationError` for what JSON cannot hold exactly."""
    return rfc8785.dumps(value)


def from_hex(text: str) -> bytes:
    """The bytes of lower-case hex without spaces. Raises `ValueError` for the other spellings of `bytes.fromhex`."""
    if _HEX.fullmatch(text) is None:
        raise ValueError("This is not lower-case hex.")
    return bytes.fromhex(text)
