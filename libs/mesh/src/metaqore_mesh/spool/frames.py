"""Frames: how payloads lie in a segment, so that a torn one is known from a whole one. Pure.

A frame is the payload's length and CRC-32, each a big-endian u32, then the payload.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

_HEAD: Final = struct.Struct(">II")
HEAD_BYTES: Final = _HEAD.size


def frame(payload: bytes) -> bytes:
    """`payload` with its length and checksum before it."""
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def frame_bytes(head: bytes) -> int:
    """The size of the whole frame that begins with these `HEAD_BYTES`."""
    length: int = _HEAD.unpack(head)[0]
    return HEAD_BYTES + length


def payload_at(content: bytes, offset: int) -> bytes | None:
    """The payload of the frame at `offset`; None where no whole, sound one stands there."""
    start = offset + HEAD_BYTES
    if start > len(content):
        return None
    length, checksum = _HEAD.unpack_from(content, offset)
    payload = content[start : start + length]
    if not length or len(payload) < length or zlib.crc32(payload) != checksum:
        return None
    return payload


def frames(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Each frame's offset and payload, up to the first that is not whole and sound."""
    offset = 0
    while (payload := payload_at(content, offset)) is not None:
        yield offset, payload
        offset += HEAD_BYTES + len(payload)


def next_frame(content: bytes, offset: int, opening: bytes) -> int | None:
    """Where behind `offset` the next whole, sound frame stands whose payload begins with `opening`."""
    found = content.find(opening, offset + HEAD_BYTES)
    while found >= 0:
        candidate = found - HEAD_BYTES
        if candidate > offset and payload_at(content, candidate) is not None:
            return candidate
        found = content.find(opening, found + 1)
    return None
