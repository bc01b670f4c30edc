"""The port of a store of objects: what its users may rely on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a list shows it. `stored_at_s` is Unix time by the store's own clock, perhaps to the second only."""

    name: str
    size_bytes: int
    stored_at_s: float


class ObjectStore(Protocol):
    """Bytes under names.

    - An object is there whole or not at all, for every reader, through crashes of this process, its machine and the
      store; what `put` returned for survives them.
    - Everything may be repeated: putting a name again replaces its object as a whole, deleting what is gone is no
      error. After an error or a cancelled call either the old state holds or the new.
    - A put or get holds at most a few mebibytes in memory, however large the object.
    - What a crash leaves of a put is never listed or read, and `sweep` removes it.
    - No name may go on from another one with a slash: where there is `a`, there is no `a/b`.
    - Raises `MetaQoreError` with a code of `metaqore_mesh.objects.errors`; each method says which beside
      `object_name_invalid`, `object_store_unavailable` and `object_store_denied`.
    """

    async def put(self, name: str, chunks: AsyncIterable[bytes]) -> int:
        """Store what `chunks` yield under `name`; the number of bytes.

        Where `chunks` raise, nothing changes and their error passes through. Raises `object_too_large` as soon as
        there is too much, and `object_store_full`.
        """
        ...

    def get(self, name: str, offset: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `offset` on, at most `length` of them, in chunks; none where the object ends before.

        Raises `object_missing` at the first chunk. Close it (`contextlib.aclosing`) where you stop before its end.
        """
        ...

    async def size(self, name: str) -> int | None:
        """The number of bytes of the object, or None where there is none."""
        ...

    async def delete(self, name: str) -> None:
        """Make the object gone; no error where it is already."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """The objects whose names begin with `prefix`, which is empty or ends in a slash; in no order.

        One put or deleted meanwhile may be there or not; every other one is, once.
        """
        ...

    async def sweep(self, older_than_s: float) -> int:
        """Remove what puts left that ended without an end, nobody having written it for `older_than_s`; how many."""
        ...
