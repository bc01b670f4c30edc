"""Bodies sealed in the store of objects, their keys in rows: the port `BodyStore`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from metaqore_ai_gateway.service.psmp.new_body import NewBody
from metaqore_ai_gateway.service.psmp.uploads import StoredBody
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import Bodies, Body, KeptBodies

_log = structlog.get_logger()


class BodyRows(KeptBodies, Protocol):
    """The rows of bodies: a living key for each address of an organization."""

    async def keep(self, body: Body, sensitivity: Sensitivity) -> Body:
        """Keep a body in the place of a former one with this address; gives what is kept."""
        ...

    async def kept(self, organization: str, digest: str) -> tuple[Body, Sensitivity] | None:
        """The body under this address, its `wrapped_key` empty where it was destroyed; the highest it was kept with."""
        ...

    async def erased(self, organization: str, digests: Collection[str]) -> Mapping[str, int]:
        """Those of these that are erased, each with when, in microseconds since the Unix epoch."""
        ...


@dataclass(frozen=True, slots=True)
class SealedText:
    """The port `Sealed`."""

    body: Body
    bodies: Bodies
    rows: BodyRows

    @property
    def stored(self) -> StoredBody:
        """What would stand for it."""
        return _stored(self.body)

    async def keep(self, sensitivity: Sensitivity) -> None:
        """Let versions name it, which are then at least so sensitive."""
        await self.rows.keep(self.body, sensitivity)

    async def drop(self) -> None:
        """Remove it, unless a row has its key."""
        try:
            if not await self.rows.living([self.body.name]):
                await self.bodies.discard(self.body)
        except MetaQoreError as error:
            _log.warning("body.deletion_deferred", object=self.body.name, code=error.code)


@dataclass(frozen=True, slots=True)
class ObjectBodyStore:
    """The port `BodyStore`."""

    bodies: Bodies
    rows: BodyRows
    digests: DigestKeys

    async def seal(self, organization: str, text: AsyncIterable[bytes]) -> SealedText:
        """Store a text under a key of its own, which is nowhere yet."""
        return SealedText(await self.bodies.put(organization, text), self.bodies, self.rows)

    async def bring(self, organization: str, text: bytes, sensitivity: Sensitivity) -> StoredBody:
        """Seal a text for a version that is about to name it: a large one is kept, a small one is yet to be written."""
        body = self.bodies.put_inline(organization, text)
        if body is not None:
            return replace(_stored(body), new=_new(body, sensitivity))
        sealed = await self.seal(organization, _whole(text))
        await sealed.keep(sensitivity)
        return sealed.stored

    def measured(self, organization: str, text: bytes) -> StoredBody:
        """What `bring` would say of this text."""
        commitment = self.digests.commit(organization, text)
        return StoredBody(commitment.digest, commitment.key_id, "", commitment.size_bytes)

    async def find(self, organization: str, digest: str) -> StoredBody | None:
        """What is kept under this address, if its key lives."""
        body, sensitivity = await self.rows.kept(organization, digest) or (None, Sensitivity.PUBLIC)
        return replace(_stored(body), sensitivity=sensitivity) if body is not None and body.wrapped_key else None

    async def erased(self, organization: str, digests: Collection[str]) -> Mapping[str, int]:
        """Those of these that are erased, each with when, in microseconds since the Unix epoch."""
        return await self.rows.erased(organization, digests)

    async def read(self, organization: str, digest: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """The text from `offset` on."""
        body, _ = await self.rows.kept(organization, digest) or (None, None)
        if body is None or not body.wrapped_key:
            raise MetaQoreError(
                "content_missing", "No body with this digest is kept, or it was erased.", kind=ErrorKind.NOT_FOUND
            )
        async with aclosing(self.bodies.read(body, offset)) as pieces:
            async for piece in pieces:
                yield piece

    @asynccontextmanager
    async def erasing(self, organization: str, digest: str) -> AsyncIterator[None]:
        """Remove the object once the block, in which its key is destroyed, has ended well."""
        body, _ = await self.rows.kept(organization, digest) or (None, None)
        yield
        if body is not None:
            await SealedText(body, self.bodies, self.rows).drop()


def _stored(body: Body) -> StoredBody:
    return StoredBody(body.text.digest, body.text.key_id, "", body.text.size_bytes)


def _new(body: Body, sensitivity: Sensitivity) -> NewBody:
    text, sealed = body.text, body.sealed
    assert sealed is not None  # noqa: S101 - what a small one is
    return NewBody(text.digest, text.key_id, text.size_bytes, body.name, body.wrapped_key, sealed, sensitivity)


async def _whole(text: bytes) -> AsyncIterator[bytes]:
    yield text
