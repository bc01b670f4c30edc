"""Whether a group is its writer's: its root covers its records, and the writer's key has signed its head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metaqore_compliance_auditor.domain.groups import Refused, SignedGroup
from metaqore_governance_core.group import verify_head
from metaqore_governance_core.keys import SignatureInvalidError
from metaqore_governance_core.merkle import root


@dataclass(frozen=True, slots=True)
class WriterKey:
    """The raw bytes of an Ed25519 public key that the auditor trusts, and the only writer that may sign with it."""

    writer: str
    public: bytes


Trust = Mapping[str, WriterKey]
"""Trusted keys by key id."""


def authenticate(group: SignedGroup, trust: Trust) -> None:
    """Raises `Refused` unless `group` is what a trusted writer signed, each record where its head says it is."""
    key = trust.get(group.head.key_id)
    if key is None:
        raise Refused("unknown_key", f"No trusted key has the id {group.head.key_id}: add the writer's public key.")
    if key.writer != group.head.writer:
        raise Refused("writer_mismatch", f"The key {group.head.key_id} is not the writer's whom the group names.")
    _check_places(group)
    if root([leaf.hash for leaf in group.leaves]).hex() != group.head.root:
        raise Refused("root_mismatch", "The root in the group's head does not cover its records.")
    try:
        verify_head(group.head, group.signature, key.public)
    except SignatureInvalidError as error:
        raise Refused("bad_signature", error.message) from error


def _check_places(group: SignedGroup) -> None:
    if len(group.leaves) != group.head.count or not group.leaves:
        raise Refused("count_mismatch", f"The head counts {group.head.count} records, {len(group.leaves)} came.")
    for sequence, leaf in enumerate(group.leaves, start=group.first):
        if leaf.facts.writer != group.head.writer:
            raise Refused("writer_mismatch", f"Record {sequence} names another writer than its group.")
        if leaf.facts.sequence != sequence:
            raise Refused("sequence_mismatch", f"Record {leaf.facts.sequence} stands where {sequence} belongs.")
