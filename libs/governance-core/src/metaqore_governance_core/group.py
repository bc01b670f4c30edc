"""A group commit: the records that one signature, over their Merkle root, covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from metaqore_governance_core.canonical import canonical

SIGNATURE_CONTEXT: Final = b"metaqore-group-commit/v1\n"


@dataclass(frozen=True, slots=True)
class GroupHead:
    """What a writer signs. `root` is the hex RFC 6962 root over the leaf hashes of its `count` records, whose
    sequences run from `first_sequence`; `key_id` names the key; `time_us` is microseconds since the Unix epoch.
    """

    count: int
    first_sequence: int
    key_id: str
    root: str
    time_us: int
    writer: str


def signed_bytes(head: GroupHead) -> bytes:
    """The bytes under a group's Ed25519 signature: a context line, then the canonical head."""
    return SIGNATURE_CONTEXT + canonical(
        {
            "count": head.count,
            "first_sequence": head.first_sequence,
            "key_id": head.key_id,
            "root": head.root,
            "time_us": head.time_us,
            "writer": head.writer,
        }
    )
