"""Identifiers, made from a clock and randomness that the caller brings."""

from __future__ import annotations

import re
from base64 import b32encode
from typing import Final

RANDOM_BYTES: Final = 10
"""What `uuid7` needs: 74 of these 80 bits are used."""

OPAQUE_BYTES: Final = 16

_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_RAND_A: Final = 0xFFF
_RAND_B: Final = (1 << 62) - 1


def uuid7(time_ms: int, random: bytes) -> str:
    """A UUIDv7 (RFC 9562 section 5.7) of a Unix time in milliseconds and ten random bytes."""
    if len(random) != RANDOM_BYTES or not 0 <= time_ms < 1 << 48:
        raise ValueError("A UUIDv7 needs a 48-bit time in milliseconds and ten random bytes.")
    bits = int.from_bytes(random)
    value = time_ms << 80 | 0x7 << 76 | (bits >> 62 & _RAND_A) << 64 | 0b10 << 62 | bits & _RAND_B
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uuid7(text: str) -> bool:
    """Whether `text` is a UUIDv7 in its usual lower-case form."""
    return _UUID7.fullmatch(text) is not None


def opaque_id(prefix: str, random: bytes) -> str:
    """`<prefix>_<26 lower-case base32 letters>` of sixteen random bytes, as in `org_…` and `key_…`."""
    if len(random) != OPAQUE_BYTES:
        raise ValueError("An opaque id needs sixteen random bytes.")
    return f"{prefix}_{b32encode(random).decode().rstrip('=').lower()}"
