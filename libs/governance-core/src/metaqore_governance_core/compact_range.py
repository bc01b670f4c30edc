"""A growing Merkle tree that remembers only what it needs to go on: one hash for each one-bit of its size."""

from __future__ import annotations

from collections.abc import Iterable

from metaqore_governance_core.merkle import EMPTY_ROOT, node_hash


class CompactRange:
    """The complete subtrees of a log's first `size` leaves, the largest first. Grows in place.

    For readers who check a log from its start; a log that answers for proofs keeps tiles instead.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count():
            raise ValueError("A compact range has one hash for each one-bit of its size.")

    def append(self, leaf: bytes) -> None:
        """Take in the next leaf hash."""
        size, hashes = self.size, self.hashes
        while size & 1:
            leaf = node_hash(hashes.pop(), leaf)
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root so far (RFC 6962 section 2.1)."""
        if not self.hashes:
            return EMPTY_ROOT
        *left, last = self.hashes
        for sibling in reversed(left):
            last = node_hash(sibling, last)
        return last
