"""A group commit: the records that one signature, over their Merkle root, covers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from metaqore_governance_core.canonical import CanonicalizationError, canonical, canonical_plain, from_hex
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.keys import SignatureInvalidError, key_id, verify_signature
from metaqore_governance_core.merkle import ProofError, leaf_hash
from metaqore_governance_core.merkle import root as merkle_root

SIGNATURE_CONTEXT: Final = b"metaqore-group-commit/v1\n"
GROUP_VERSION: Final = 1


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


_HEAD_TYPES: Final[Mapping[str, type]] = {
    "count": int,
    "first_sequence": int,
    "key_id": str,
    "root": str,
    "time_us": int,
    "writer": str,
}


@dataclass(frozen=True, slots=True)
class Group:
    """A group commit: `records` are canonical bytes, and record i has the sequence `head.first_sequence + i`."""

    head: GroupHead
    signature: bytes
    records: tuple[bytes, ...]


def head_fields(head: GroupHead) -> dict[str, int | str]:
    """The head as a JSON object."""
    return {
        "count": head.count,
        "first_sequence": head.first_sequence,
        "key_id": head.key_id,
        "root": head.root,
        "time_us": head.time_us,
        "writer": head.writer,
    }


def signed_bytes(head: GroupHead) -> bytes:
    """The bytes under a group's Ed25519 signature: a context line, then the canonical head."""
    return SIGNATURE_CONTEXT + canonical_plain(head_fields(head))


def group_value(head: GroupHead, signature: bytes, records: Sequence[bytes]) -> bytes:
    """A group as it is stored and sent: canonical JSON around records that are canonical already."""
    shell = canonical_plain(head_fields(head) | {"records": [], "signature": signature.hex(), "version": GROUP_VERSION})
    before, _, after = shell.partition(b'"records":[]')
    return b'%b"records":[%b]%b' % (before, b",".join(records), after)


def parse_group(value: bytes) -> Group:
    """The group that `value` holds, not yet verified. Raises `MetaQoreError` `group_invalid`.

    Records come out in their canonical form, whatever form they came in; a changed one fails `verify_group`.
    """
    try:
        fields = json.loads(value)
        head = GroupHead(**{name: _typed(fields[name], type_) for name, type_ in _HEAD_TYPES.items()})
        version = fields["version"]
        signature = from_hex(fields["signature"])
        records = tuple(canonical(_typed(record, dict)) for record in fields["records"])
    except (ValueError, KeyError, TypeError, RecursionError, CanonicalizationError) as error:
        raise MetaQoreError("group_invalid", "The message is not a group of audit records.") from error
    if version != GROUP_VERSION:
        raise MetaQoreError("group_version_unknown", f"This mesh reads groups of version {GROUP_VERSION} only.")
    return Group(head, signature, records)


def _typed(value: Any, type_: type) -> Any:
    if type(value) is not type_:
        raise TypeError(f"{type_.__name__} expected")
    return value


def verify_head(head: GroupHead, signature: bytes, public_key: bytes) -> None:
    """Check that the writer's key signed the head. Raises `SignatureInvalidError`."""
    if head.key_id != key_id(public_key):
        raise SignatureInvalidError(f"The group names key {head.key_id}, not {key_id(public_key)}.")
    verify_signature(public_key, signature, signed_bytes(head), "the group")


def verify_group(group: Group, public_key: bytes) -> tuple[bytes, ...]:
    """The leaf hashes of a group whose records, root, count and signature fit. Raises `MetaQoreError`."""
    leaves = tuple(map(leaf_hash, group.records))
    if len(leaves) != group.head.count or not leaves:
        raise MetaQoreError("group_invalid", f"The group holds {len(leaves)} records and claims {group.head.count}.")
    if merkle_root(leaves).hex() != group.head.root:
        raise ProofError("group_root_invalid", "The group's records do not have the root that its writer signed.")
    verify_head(group.head, group.signature, public_key)
    return leaves
