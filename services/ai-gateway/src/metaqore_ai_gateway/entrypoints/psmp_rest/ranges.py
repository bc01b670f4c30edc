"""Ranges of a body (RFC 9110 section 14): a download that was cut off goes on where it was."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(r"bytes=(\d{0,16})-(\d{0,16})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes from `start` to before `stop`, of `size_bytes`. An empty one of a body that is not cannot be given."""

    start: int
    stop: int
    size_bytes: int

    @property
    def whole(self) -> bool:
        """Whether it is the whole body."""
        return self.stop - self.start == self.size_bytes

    @property
    def satisfiable(self) -> bool:
        """Whether there is anything in it, or nothing was asked of an empty body."""
        return self.start < self.stop or self.whole

    @property
    def content_range(self) -> str:
        """The value of Content-Range."""
        asked = f"{self.start}-{self.stop - 1}" if self.satisfiable else "*"
        return f"bytes {asked}/{self.size_bytes}"


def span_of(asked: str | None, if_range: str | None, size_bytes: int, tag: str) -> Span:
    """What `Range` asks for. Several ranges, other units, and a body that is another by now give the whole."""
    whole = Span(0, size_bytes, size_bytes)
    found = None if asked is None else _RANGE.fullmatch(asked.strip())
    if found is None or if_range not in {None, tag}:
        return whole
    first, last = found.groups()
    if not first and not last:
        return whole
    if not first:
        return Span(max(0, size_bytes - int(last)), size_bytes, size_bytes)
    start = int(first)
    if last and int(last) < start:
        return whole
    return Span(min(start, size_bytes), min(int(last) + 1, size_bytes) if last else size_bytes, size_bytes)


async def pieces_of(first: bytes, pieces: AsyncGenerator[bytes, None], size_bytes: int) -> AsyncIterator[bytes]:
    """The next `size_bytes` bytes, of which `first` was read already; then it closes `pieces`."""
    left = size_bytes
    try:
        if first and left:
            yield first[:left]
            left -= min(left, len(first))
        while left:
            piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece[:left]
            left -= min(left, len(piece))
    finally:
        await pieces.aclose()
