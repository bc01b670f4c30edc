"""A text under a key of its own, in segments, so that it is sealed and opened as it streams.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance", 2015) as age's payload has it, with AES-256-GCM: each segment's nonce is its number in
eleven bytes and one byte that is 1 for the last segment and 0 before it. So a segment that was altered, moved, left
out or added is refused, and so is a text that ends early. A segment holds 64 KiB of text; the last one holds less or
as much, and is empty only where the text is.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SEGMENT_BYTES = 64 << 10
TAG_BYTES = 16
SEALED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES

KEY_BYTES = 32
"""Of a key that seals one text and never another: the nonces begin anew with each."""


class SegmentRefused(Exception):  # noqa: N818 - it names what happened; `Bodies` gives it its code
    """Something sealed is not what was sealed under this key, at this place, in this length."""


def segment_count(size_bytes: int) -> int:
    """Into how many segments a text goes."""
    return max(1, -(-size_bytes // SEGMENT_BYTES))


def sealed_size(size_bytes: int) -> int:
    """How long a text is once it is sealed."""
    return size_bytes + segment_count(size_bytes) * TAG_BYTES


class Sealer:
    """Seals a text: `seal` each piece, then `finish`. What they return, joined, is the sealed text."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._held = bytearray()
        self._number = 0

    def seal(self, piece: bytes) -> bytes:
        """The segments that are full and cannot be the last."""
        self._held += piece
        sealed = []
        while len(self._held) > SEGMENT_BYTES:
            sealed.append(self._next(bytes(memoryview(self._held)[:SEGMENT_BYTES]), last=False))
            del self._held[:SEGMENT_BYTES]
        return b"".join(sealed)

    def finish(self) -> bytes:
        """The last segment."""
        return self._next(bytes(self._held), last=True)

    def _next(self, text: bytes, *, last: bool) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), text, None)
        self._number += 1
        return sealed


class Opener:
    """Opens segments `first` to `end` (exclusive; None: to the last) of a text of `size_bytes`.

    `open` each piece of them, then `finish`. What it returned before an error is unaltered text, though not all of it.
    """

    def __init__(self, key: bytes, size_bytes: int, first: int = 0, end: int | None = None) -> None:
        self._cipher = AESGCM(key)
        count = segment_count(size_bytes)
        self._last = count - 1
        self._last_bytes = sealed_size(size_bytes) - self._last * SEALED_SEGMENT_BYTES
        self._end = count if end is None else end
        self._number = first
        self._held = bytearray()

    def open(self, piece: bytes) -> bytes:
        """The text of the segments that are whole by now. Raises `SegmentRefused`."""
        self._held += piece
        texts = []
        while self._number < self._end and len(self._held) >= self._next_bytes:
            size_bytes = self._next_bytes
            texts.append(self._next(bytes(memoryview(self._held)[:size_bytes])))
            del self._held[:size_bytes]
        if self._number == self._end and self._held:
            raise SegmentRefused("something follows the last segment")
        return b"".join(texts)

    def finish(self) -> None:
        """Raises `SegmentRefused` where a segment is missing or cut."""
        if self._number != self._end or self._held:
            raise SegmentRefused("the text ends early")

    @property
    def _next_bytes(self) -> int:
        return self._last_bytes if self._number == self._last else SEALED_SEGMENT_BYTES

    def _next(self, sealed: bytes) -> bytes:
        try:
            text = self._cipher.decrypt(_nonce(self._number, last=self._number == self._last), sealed, None)
        except InvalidTag as error:
            raise SegmentRefused("a segment is not what was sealed") from error
        self._number += 1
        return text


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])
