"""A stream of chunks of any size, as pieces of a bounded one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable

from metaqore_governance_core.errors import MetaQoreError

PIECE_BYTES = 1 << 20
"""What one put or get holds in memory at a time."""


async def pieces(
    chunks: AsyncIterable[bytes], *, limit_bytes: int, refusal: MetaQoreError
) -> AsyncGenerator[bytes, None]:
    """`chunks` joined and cut into pieces of `PIECE_BYTES`; the last is shorter or empty, and always there.

    Raises `refusal` as soon as there are more than `limit_bytes`.
    """
    gathered = bytearray()
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > limit_bytes:
            raise refusal
        gathered += chunk
        while len(gathered) > PIECE_BYTES:
            piece = bytes(memoryview(gathered)[:PIECE_BYTES])
            del gathered[:PIECE_BYTES]
            yield piece
    yield bytes(gathered)
