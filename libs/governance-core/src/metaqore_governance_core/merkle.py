"""The Merkle tree of RFC 6962 section 2.1, over leaf hashes that are all at hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""The root of no leaves (RFC 6962 section 2.1)."""


class ProofError(MetaQoreError):
    """A proof does not prove what it claims. The message names the rule that it breaks."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, kind=ErrorKind.UNPROCESSABLE)


def leaf_hash(record: bytes) -> bytes:
    """MTH of one leaf: SHA-256 of 0x00 and the record (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and both children (RFC 6962 section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """All levels of the tree over some leaf hashes: the root at once, each path in O(log n).

    An odd node rises unpaired, which gives the same tree as splitting at the largest power of two.
    """

    __slots__ = ("_levels",)

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        level = list(leaf_hashes)
        self._levels = [level]
        while len(level) > 1:
            odd = level[-1:] if len(level) % 2 else []
            level = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)] + odd
            self._levels.append(level)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """MTH of the leaves (RFC 6962 section 2.1)."""
        return self._levels[-1][0] if self.size else EMPTY_ROOT

    def inclusion_path(self, index: int) -> tuple[bytes, ...]:
        """PATH(index, D[n]), lowest first (RFC 6962 section 2.1.1). Raises `ProofError` past the last leaf."""
        check_index(index, self.size)
        path = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                path.append(level[sibling])
            index >>= 1
        return tuple(path)


def root(leaf_hashes: Sequence[bytes]) -> bytes:
    """MTH(D[n]) (RFC 6962 section 2.1)."""
    return MerkleTree(leaf_hashes).root


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """PATH(index, D[n]) (RFC 6962 section 2.1.1). Raises `ProofError` past the last leaf."""
    return MerkleTree(leaf_hashes).inclusion_path(index)


def consistency_path(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """PROOF(old_size, D[n]) (RFC 6962 section 2.1.2); empty for an old size of 0 or n, where it is trivial."""
    size = len(leaf_hashes)
    check_sizes(old_size, size)
    path: list[bytes] = []
    begin, whole = 0, True
    while 0 < old_size < size:
        split = largest_power_below(size)
        if old_size <= split:
            path.append(root(leaf_hashes[begin + split : begin + size]))
            size = split
        else:
            path.append(root(leaf_hashes[begin : begin + split]))
            begin, old_size, size, whole = begin + split, old_size - split, size - split, False
    if path and not whole:
        path.append(root(leaf_hashes[begin : begin + size]))
    return tuple(reversed(path))


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that `path` leads to from the leaf hash at `index` (RFC 9162 section 2.1.3.2).

    Raises `ProofError` where the path has not the length that `index` and `size` call for.
    """
    check_index(index, size)
    _check_hashes("inclusion_proof_invalid", (leaf, *path))
    node, last = index, size - 1
    result = leaf
    for sibling in path:
        if last == 0:
            raise ProofError("inclusion_proof_invalid", "The inclusion path is too long (RFC 9162 section 2.1.3.2).")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("inclusion_proof_invalid", "The inclusion path is too short (RFC 9162 section 2.1.3.2).")
    return result


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> None:
    """Check that the leaf hash stands at `index` in the tree of that size and root. Raises `ProofError`."""
    if root_from_inclusion(leaf, index, size, path) != expected_root:
        raise ProofError(
            "inclusion_proof_invalid", "The inclusion path leads to another root (RFC 9162 section 2.1.3.2)."
        )


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the newer tree begins with the older one (RFC 9162 section 2.1.4.2). Raises `ProofError`."""
    check_sizes(old_size, new_size)
    _check_hashes("consistency_proof_invalid", path)
    if old_size in (0, new_size):
        known = EMPTY_ROOT if old_size == 0 else new_root
        if path or old_root != known:
            raise ProofError(
                "consistency_proof_invalid", "Between these sizes there is nothing to prove, yet something differs."
            )
        return
    if old_size & (old_size - 1) == 0:
        path = (old_root, *path)
    if not path:
        raise ProofError("consistency_proof_invalid", "The consistency path is empty (RFC 9162 section 2.1.4.2).")
    old_found, new_found = _fold_consistency(old_size - 1, new_size - 1, path)
    if old_found != old_root or new_found != new_root:
        raise ProofError(
            "consistency_proof_invalid", "The consistency path leads to another root (RFC 9162 section 2.1.4.2)."
        )


def _fold_consistency(node: int, last: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that the path leads to: steps 3 to 6 of RFC 9162 section 2.1.4.2."""
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError(
                "consistency_proof_invalid", "The consistency path is too long (RFC 9162 section 2.1.4.2)."
            )
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("consistency_proof_invalid", "The consistency path is too short (RFC 9162 section 2.1.4.2).")
    return old, new


def _check_hashes(code: str, hashes: Sequence[bytes]) -> None:
    """A node is hashed over both children without a mark between: bytes of the one could pass for the other's."""
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofError(code, f"A hash of a proof has {HASH_BYTES} bytes.")


def largest_power_below(size: int) -> int:
    """The largest power of two smaller than `size`, which is at least 2 (RFC 6962 section 2.1)."""
    return 1 << (size - 1).bit_length() - 1


def check_index(index: int, size: int) -> None:
    """Raise `ProofError` unless a tree of `size` leaves has a leaf at `index`."""
    if not 0 <= index < size:
        raise ProofError("leaf_not_in_tree", f"A tree of {size} leaves has no leaf {index} (RFC 6962 section 2.1.1).")


def check_sizes(old_size: int, new_size: int) -> None:
    """Raise `ProofError` unless a tree can grow from the one size to the other."""
    if not 0 <= old_size <= new_size:
        raise ProofError(
            "tree_sizes_invalid", f"A tree does not grow from {old_size} to {new_size} leaves (RFC 6962 section 2.1.2)."
        )
