"""Whether bytes are the canonical form (RFC 8785) of a record: JSON without floats, each key once, sorted."""

from __future__ import annotations

import re
from typing import Final, NoReturn

import msgspec
import rfc8785

# msgspec writes RFC 8785 for ASCII text and integers below 2^53; the exact way is forty times slower.
_encode: Final = msgspec.json.Encoder(order="sorted").encode
_LONG_NUMBER: Final = re.compile(rb"[0-9]{16}")


def is_canonical(data: bytes) -> bool:
    """Whether `data` is one JSON value in its canonical form, with no float in it. Never raises."""
    try:
        value = _decode(data)
        if data.isascii() and _LONG_NUMBER.search(data) is None:
            return _encode(value) == data
        return rfc8785.dumps(value) == data
    except (msgspec.DecodeError, rfc8785.CanonicalizationError, ValueError, RecursionError):
        return False


def _refuse_float(text: str) -> NoReturn:
    raise ValueError(f"a float: {text}")


_decode: Final = msgspec.json.Decoder(float_hook=_refuse_float).decode
