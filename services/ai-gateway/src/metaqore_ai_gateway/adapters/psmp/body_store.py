"""Bodies sealed in the store of objects, their keys in rows: the port `BodyStore`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import structlog

from metaqore_ai_gateway.service.psmp.uploads import StoredBody
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.refusal import conflict
from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import Bodies, Body, KeptBodies

_log = structlog.get_logger()


class BodyRows(KeptBodies, Protocol):
    """The rows of bodies: a living key for each address of an organization."""

    async def keep(self, body: Body) -> Body:
        """Keep a body, and give the one that is kept: another one, where that came first."""
        ...

    async def kept(self, organization: str, digest: str) -> Body | None:
        """The body under this address, its key destroyed or not; None where none was ever kept."""
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

    async def keep(self) -> None:
        """Let versions name it."""
        kept = await self.rows.keep(self.body)
        if kept.name != self.body.name:
            await self.drop()

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

    async def keep(self, organization: str, text: bytes) -> StoredBody:
        """Seal a text and keep it."""
        sealed = await self.seal(organization, _whole(text))
        await sealed.keep()
        return sealed.stored

    def measured(self, organization: str, text: bytes) -> StoredBody:
        """What `keep` would say of this text."""
        commitment = self.digests.commit(organization, text)
        return StoredBody(commitment.digest, commitment.key_id, "", commitment.size_bytes)

    async def find(self, organization: str, digest: str) -> StoredBody | None:
        """What is kept under this address, if its key lives."""
        body = await self.rows.kept(organization, digest)
        return _stored(body) if body is not None and body.wrapped_key else None

    async def read(self, organization: str, digest: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """The text from `offset` on."""
        body = await self.rows.kept(organization, digest)
        if body is None:
            raise MetaQoreError(
                "content_missing", "No body with this digest is kept here. Upload it first.", kind=ErrorKind.NOT_FOUND
            )
        if not body.wrapped_key:
            raise conflict("body_erased", "This body was erased: its key is destroyed, and nobody can read it again.")
        async with aclosing(self.bodies.read(body, offset)) as pieces:
            async for piece in pieces:
                yield piece

    async def sweep(self, organization: str, digest: str) -> None:
        """Remove the object of a body whose key was destroyed."""
        body = await self.rows.kept(organization, digest)
        if body is not None and not body.wrapped_key:
            try:
                await self.bodies.discard(body)
            except MetaQoreError as error:
                _log.warning("body.deletion_deferred", object=body.name, code=error.code)


def _stored(body: Body) -> StoredBody:
    return StoredBody(body.text.digest, body.text.key_id, "", body.text.size_bytes)


async def _whole(text: bytes) -> AsyncIterator[bytes]:
    yield text
