"""Texts of organizations in a store of objects or in their rows, each sealed under a key of its own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

import structlog

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.records import Commitment
from metaqore_mesh.keys import DigestKeys, RunningCommitment
from metaqore_mesh.objects.body import Body, prefix_of, purpose
from metaqore_mesh.objects.body_keys import BodyKeys, WrongKey
from metaqore_mesh.objects.errors import BodyDamaged, BodyKeyRefused, BodyTooLarge
from metaqore_mesh.objects.kept import KeptBodies
from metaqore_mesh.objects.pieces import pieces
from metaqore_mesh.objects.port import ObjectStore
from metaqore_mesh.objects.segments import (
    KEY_BYTES,
    SEALED_SEGMENT_BYTES,
    SEGMENT_BYTES,
    Opener,
    Sealer,
    SegmentRefused,
    sealed_size,
    segment_count,
)
from metaqore_mesh.randomness import RandomBytes

MOST_INLINE_BYTES = SEGMENT_BYTES
"""A text of one segment: sealed and opened at once, and read whole whichever part of it is asked for."""

_NAME_BYTES = 16  # random, so that no name is used twice

_log = structlog.get_logger(__name__)


class Bodies:
    """Puts, reads and erases bodies.

    - A text is sealed as it streams; the store and its disks never see it. A few mebibytes are in memory at a time.
    - One of at most `inline_bytes` needs no object: its `Body` carries it sealed, for the row. It is sealed anew each
      time it is put, since to ask whether it is kept takes longer.
    - A body is readable from the moment `put` returns, by whoever has its `Body` and this mesh's root key. The caller
      keeps the `Body` in a row of its own; an object that no row keeps is an orphan (see `collect_orphans`).
    - A larger text is stored once for as long as a key to it lives: `put` then returns the body that `kept` found.
      The caller refers to that body's row in the transaction that keeps the reference, and locks the row (a foreign
      key does), so that it cannot be erased in between; where it was, the caller puts again.
    - Erasing erases the text for everything that refers to the body. Who must be able to erase one and keep the other
      gives a `kept` that finds nothing for it.
    - After an erasure the same text is stored anew, under a new key and a new name: no late deletion of the old
      object can reach it, and nothing of the old one can be read with the new key.
    """

    def __init__(
        self,
        objects: ObjectStore,
        keys: BodyKeys,
        digests: DigestKeys,
        kept: KeptBodies,
        *,
        limit_bytes: int,
        inline_bytes: int = 0,
    ) -> None:
        """`inline_bytes` is at most `MOST_INLINE_BYTES`."""
        self._objects = objects
        self._keys = keys
        self._digests = digests
        self._kept = kept
        self._limit_bytes = limit_bytes
        self._inline_bytes = min(inline_bytes, limit_bytes)
        self._randoms = RandomBytes(_NAME_BYTES)

    async def put(self, organization: str, text: AsyncIterable[bytes]) -> Body:
        """The body to keep for `text`: a new one, or one that is kept already.

        Where it is another than the row for this text names, that one's object or key is lost: replace the row.
        Raises `BodyTooLarge` and what the store raises; nothing is stored then.
        """
        refusal = BodyTooLarge(self._limit_bytes)
        async with aclosing(pieces(text, limit_bytes=self._limit_bytes, refusal=refusal)) as cut:
            first = await anext(cut)
            if body := self.put_inline(organization, first):  # so short a piece is the only one
                return body
            key, name = secrets.token_bytes(KEY_BYTES), self._new_name(organization)
            running = self._digests.running(organization)
            try:
                await self._objects.put(name, self._sealed(organization, first, cut, key, running))
            except _AlreadyKept as already:
                return already.body
        return self._body(organization, running.commitment(), name, key)

    def put_inline(self, organization: str, text: bytes) -> Body | None:
        """What `put` gives for a small text, at once; None for one that is too large to go without an object."""
        if not self._inline_bytes or len(text) > self._inline_bytes:
            return None
        key = secrets.token_bytes(KEY_BYTES)
        sealer = Sealer(key)
        sealed = sealer.seal(text) + sealer.finish()
        commitment = self._digests.commit(organization, text)
        return self._body(organization, commitment, self._new_name(organization), key, sealed)

    async def read(self, body: Body, offset: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """The text from `offset` on, at most `length` bytes of it, in chunks.

        Each chunk is unaltered; only once the generator has ended is it sure that none is missing. Raises
        `BodyKeyRefused`, `BodyDamaged` and what the store raises. Close it where you stop before its end.
        """
        key = self._unwrapped(body)
        size_bytes = body.text.size_bytes
        end = size_bytes if length is None else min(size_bytes, offset + length)
        if offset >= end and (offset or size_bytes):
            return
        first, past = offset // SEGMENT_BYTES, segment_count(end)
        opener = Opener(key, size_bytes, first, past)
        # Up to its last segment the object is read to its end, so that anything behind that is noticed.
        wanted = None if past == segment_count(size_bytes) else (past - first) * SEALED_SEGMENT_BYTES
        if body.sealed is None:
            sealed = self._objects.get(body.name, first * SEALED_SEGMENT_BYTES, wanted)
        else:
            sealed = _one(body.sealed)
        at = first * SEGMENT_BYTES
        async with aclosing(sealed):
            try:
                async for piece in sealed:
                    text = await _off_loop_if_long(opener.open, piece)
                    if chunk := text[max(0, offset - at) : max(0, end - at)]:
                        yield chunk
                    at += len(text)
                opener.finish()
            except SegmentRefused as error:
                raise BodyDamaged(body.name) from error

    async def erase(self, body: Body, forget: Callable[[], Awaitable[None]]) -> None:
        """Make the text unreadable for good.

        `forget` destroys the key in its row, durably: that is the erasure. The object is deleted after it; where the
        store does not answer, it stays behind as an orphan that nobody can read.
        """
        await forget()
        try:
            await self.discard(body)
        except MetaQoreError as error:
            _log.warning("body.deletion_deferred", object=body.name, code=error.code)

    async def discard(self, body: Body) -> None:
        """Delete the object of a body that no row took, as where another put of the same text came first."""
        if body.sealed is None:
            await self._objects.delete(body.name)

    def _new_name(self, organization: str) -> str:
        return prefix_of(organization) + next(self._randoms).hex()

    def _body(self, organization: str, text: Commitment, name: str, key: bytes, sealed: bytes | None = None) -> Body:
        wrapped = self._keys.wrap(organization, key, purpose(organization, text, name))
        return Body(organization, text, name, wrapped, sealed)

    async def _sealed(
        self, organization: str, first: bytes, rest: AsyncIterator[bytes], key: bytes, running: RunningCommitment
    ) -> AsyncIterator[bytes]:
        sealer = Sealer(key)

        def seal(piece: bytes) -> bytes:
            running.update(piece)
            return sealer.seal(piece)

        yield await _off_loop_if_long(seal, first)
        async for piece in rest:
            yield await _off_loop_if_long(seal, piece)
        if body := await self._kept_whole(organization, running.commitment()):
            raise _AlreadyKept(body)
        yield sealer.finish()

    async def _kept_whole(self, organization: str, text: Commitment) -> Body | None:
        """The body that is kept for this text, if its key opens and its object is there."""
        body = await self._kept.find(organization, text)
        if body is None or (body.organization, body.text) != (organization, text):
            return None
        try:
            self._unwrapped(body)
        except BodyKeyRefused:
            return None
        if body.sealed is not None:
            return body
        return body if await self._objects.size(body.name) == sealed_size(text.size_bytes) else None

    def _unwrapped(self, body: Body) -> bytes:
        try:
            return self._keys.unwrap(
                body.organization, body.wrapped_key, purpose(body.organization, body.text, body.name)
            )
        except WrongKey as error:
            raise BodyKeyRefused(body.name) from error


class _AlreadyKept(Exception):  # noqa: N818 - it ends the put of a text whose body is kept
    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body


async def _one(sealed: bytes) -> AsyncGenerator[bytes, None]:
    yield sealed


async def _off_loop_if_long(work: Callable[[bytes], bytes], piece: bytes) -> bytes:
    """`work` on the piece: hashing and ciphers take a millisecond for a mebibyte, too long for the event loop."""
    return work(piece) if len(piece) <= SEALED_SEGMENT_BYTES else await asyncio.to_thread(work, piece)
