"""Group commits as the spool makes and stores them: one tree, one signature and one value for many records."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from metaqore_governance_core.group import GROUP_VERSION, SIGNATURE_CONTEXT, GroupHead
from metaqore_governance_core.merkle import MerkleTree
from metaqore_governance_core.receipts import Receipt
from metaqore_mesh.keys import WriterKey

GROUP_OPENING: Final = b'{"count":'
"""How the value of every group begins, for its keys stand in order (RFC 8785 section 3.2.3)."""

_OPENING: Final = re.compile(rb'\{"count":([1-9]\d*),"first_sequence":([1-9]\d*),')

Clock = Callable[[], int]
"""Microseconds since the Unix epoch."""


class SignedGroup:
    """A head with its signature, and the tree behind it."""

    __slots__ = ("head", "signature", "tree")

    def __init__(self, head: GroupHead, signature: bytes, tree: MerkleTree) -> None:
        self.head = head
        self.signature = signature
        self.tree = tree


class Appended:
    """A durable record: its sequence, its RFC 6962 leaf hash, and what a receipt for it is made of."""

    __slots__ = ("_group", "leaf_hash", "sequence")

    def __init__(self, sequence: int, leaf_hash: bytes, group: SignedGroup) -> None:
        self.sequence = sequence
        self.leaf_hash = leaf_hash
        self._group = group

    def receipt(self, receipt_id: str, organization: str, task: str) -> Receipt:
        """The signed promise that this record, a decision, is in the spool. The three are those in the record."""
        head = self._group.head
        path = self._group.tree.inclusion_path(self.sequence - head.first_sequence)
        return Receipt(
            head=head,
            id=receipt_id,
            leaf_hash=self.leaf_hash.hex(),
            organization=organization,
            path=tuple(map(bytes.hex, path)),
            sequence=self.sequence,
            signature=self._group.signature.hex(),
            task=task,
            writer=head.writer,
        )


@dataclass(frozen=True, slots=True)
class StoredGroup:
    """A durable group. `value` is its canonical JSON, as it lies on disk and goes to the broker.

    `traceparents` are the sampled traces that its records belong to, while memory has it; the disk does not.
    """

    first_sequence: int
    count: int
    value: bytes
    traceparents: tuple[str, ...] = ()

    @property
    def last_sequence(self) -> int:
        """The sequence of its last record."""
        return self.first_sequence + self.count - 1


def stored_group(value: bytes) -> StoredGroup | None:
    """The group in a frame's payload; None where it is something else."""
    opening = _OPENING.match(value)
    return StoredGroup(int(opening[2]), int(opening[1]), value) if opening else None


class GroupSigner:
    """Signs groups of one writer. Equal to `core.group` byte by byte, at a twentieth of its time."""

    def __init__(self, key: WriterKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def sign(self, first_sequence: int, leaf_hashes: Sequence[bytes]) -> SignedGroup:
        """One signature over the root of `leaf_hashes`, which begin at `first_sequence`."""
        tree = MerkleTree(leaf_hashes)
        key = self._key
        head = GroupHead(tree.size, first_sequence, key.key_id, tree.root.hex(), self._clock(), key.writer)
        return SignedGroup(head, key.sign(head_bytes(head)), tree)


def head_bytes(head: GroupHead) -> bytes:
    """`core.group.signed_bytes`: here nothing needs an escape, so a template gives the canonical form."""
    return b'%b{"count":%d,"first_sequence":%d,"key_id":"%b","root":"%b","time_us":%d,"writer":"%b"}' % (
        SIGNATURE_CONTEXT,
        head.count,
        head.first_sequence,
        head.key_id.encode(),
        head.root.encode(),
        head.time_us,
        head.writer.encode(),
    )


def group_bytes(group: SignedGroup, records: Sequence[bytes]) -> bytes:
    """`core.group.group_value`, by a template: see `head_bytes`."""
    head = group.head
    return (
        b'{"count":%d,"first_sequence":%d,"key_id":"%b","records":[%b],"root":"%b","signature":"%b",'
        b'"time_us":%d,"version":%d,"writer":"%b"}'
        % (
            head.count,
            head.first_sequence,
            head.key_id.encode(),
            b",".join(records),
            head.root.encode(),
            group.signature.hex().encode(),
            head.time_us,
            GROUP_VERSION,
            head.writer.encode(),
        )
    )
