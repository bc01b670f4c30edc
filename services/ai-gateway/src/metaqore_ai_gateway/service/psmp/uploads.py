"""Bodies of versions: kept before a version names them, read back when somebody asks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from metaqore_ai_gateway.service.psmp.erased_bodies import Erasures
from metaqore_ai_gateway.service.psmp.new_body import NewBody
from metaqore_governance_core.identity import Caller, Door
from metaqore_governance_core.sensitivity import Sensitivity


@dataclass(frozen=True, slots=True)
class StoredBody:
    """What stands for a body: its address in the organization, the key that seals it, its type and size.

    `sensitivity` is what was asked for it when it came, the highest where it came more than once. `new` is what is yet
    to be written, with the version that names it.
    """

    digest: str
    key_id: str
    media_type: str
    size_bytes: int
    receipt: str = ""
    receipt_token: str = ""
    sensitivity: Sensitivity = Sensitivity.PUBLIC
    new: NewBody | None = field(default=None, repr=False)


class Uploads(Protocol):
    """Keeps bodies for versions to come. What no version names is removed after a day."""

    async def put(
        self, caller: Caller, text: AsyncIterable[bytes], media_type: str, door: Door = Door.REST
    ) -> StoredBody:
        """Scan, decide, record, keep: the verb `upload` of `psmp.artifact`.

        Raises `CommandRefusedError`, `content_too_large`, and what the object store raises.
        """
        ...


class Sealed(Protocol):
    """A text that is stored and that nobody can reach yet: keep it, or drop it."""

    @property
    def stored(self) -> StoredBody:
        """What would stand for it."""
        ...

    async def keep(self, sensitivity: Sensitivity) -> None:
        """Let versions name it, which are then at least so sensitive."""
        ...

    async def drop(self) -> None:
        """Remove it, unless it is kept for somebody else. A failure leaves it for the collector."""
        ...


class BodyStore(Erasures, Protocol):
    """Bodies by their address, of one organization. Who may, was decided before."""

    async def seal(self, organization: str, text: AsyncIterable[bytes]) -> Sealed:
        """Store a text; the same one is stored once. Its media type is for the version to say."""
        ...

    async def bring(self, organization: str, text: bytes, sensitivity: Sensitivity) -> StoredBody:
        """Seal a text for a version that is about to name it: a large one is kept, a small one is yet to be written."""
        ...

    def measured(self, organization: str, text: bytes) -> StoredBody:
        """What `bring` would say of this text; it keeps nothing."""
        ...

    async def find(self, organization: str, digest: str) -> StoredBody | None:
        """What is kept under this address, if its key lives."""
        ...

    def read(self, organization: str, digest: str, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """The text from `offset` on. Raises `content_missing`, also where its key was destroyed."""
        ...

    def erasing(self, organization: str, digest: str) -> AbstractAsyncContextManager[None]:
        """Around the transaction that destroys the key of a body: its object is removed after it.

        Where that fails, it is left for the collector; nobody can read it.
        """
        ...
