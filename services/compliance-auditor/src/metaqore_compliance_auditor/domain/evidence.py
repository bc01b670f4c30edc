"""Whether a stored entry is what its writer signed, and stands where its record says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from metaqore_compliance_auditor.domain.authenticity import Trust
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.groups import Facts, Leaf, Refused
from metaqore_compliance_auditor.domain.protocol import TaskKey, TaskTrail, walk
from metaqore_compliance_auditor.domain.stored import StoredAttestation, StoredEntry
from metaqore_governance_core.group import GroupHead, verify_head
from metaqore_governance_core.keys import SignatureInvalidError
from metaqore_governance_core.merkle import ProofError, leaf_hash, verify_inclusion

ParseFacts = Callable[[bytes], Facts]
"""What a record says. Raises `Refused` for what is no record."""


def fault_at(entry: StoredEntry, organization: str, code: str, message: str) -> Fault:
    """A fault at the place of `entry`."""
    return Fault(code, message, organization, entry.index, entry.writer, entry.sequence)


def record_faults(organization: str, entry: StoredEntry, parse: ParseFacts) -> Iterator[Fault]:
    """What does not fit between a record's bytes and its row."""
    if leaf_hash(entry.record) != entry.leaf_hash:
        yield fault_at(entry, organization, "leaf_hash_mismatch", "The stored record has not the leaf hash in the log.")
    try:
        facts = parse(entry.record)
    except Refused as refused:
        yield fault_at(entry, organization, "record_unreadable", f"The stored record cannot be read: {refused.message}")
        return
    if facts.organization != organization:
        yield fault_at(entry, organization, "foreign_record", "The record belongs to another organization's log.")
    said = (facts.writer, facts.sequence, facts.organization_sequence, facts.kind, facts.task, facts.receipt)
    stored = (entry.writer, entry.sequence, entry.organization_sequence, entry.kind, entry.task, entry.receipt)
    if said != stored:
        yield fault_at(entry, organization, "row_mismatch", "The columns beside the record say something else than it.")


def attestation_faults(organization: str, entry: StoredEntry, attestation: StoredAttestation | None) -> Iterator[Fault]:
    """What does not fit between an entry and the group commit that its writer signed."""
    if attestation is None:
        yield fault_at(entry, organization, "attestation_missing", "The writer's signature over the record is missing.")
        return
    place = entry.sequence - attestation.first_sequence
    try:
        verify_inclusion(entry.leaf_hash, place, attestation.count, entry.group_path, attestation.root)
    except ProofError:
        yield fault_at(entry, organization, "attestation_mismatch", "The record is not the one that its writer signed.")


def signature_faults(organization: str, attestation: StoredAttestation, trust: Trust) -> Iterator[Fault]:
    """What does not fit between a group commit's head and its writer's signature."""
    where = (organization, None, attestation.writer, attestation.first_sequence)
    key = trust.get(attestation.key_id)
    if key is None or key.writer != attestation.writer:
        yield Fault("unknown_key", f"No trusted key of the writer has the id {attestation.key_id}.", *where)
        return
    head = GroupHead(
        count=attestation.count,
        first_sequence=attestation.first_sequence,
        key_id=attestation.key_id,
        root=attestation.root.hex(),
        time_us=attestation.time_us,
        writer=attestation.writer,
    )
    try:
        verify_head(head, attestation.signature, key.public)
    except SignatureInvalidError as error:
        yield Fault("bad_signature", error.message, *where)


def task_faults(organization: str, entries: Sequence[StoredEntry], parse: ParseFacts) -> Iterator[Fault]:
    """The rules of `protocol` that these entries, all of their tasks and by index, break."""
    trails: dict[TaskKey, TaskTrail] = {}
    for entry in entries:
        try:
            leaf = Leaf(entry.record, entry.leaf_hash, parse(entry.record))
        except Refused:
            continue  # `record_faults` tells of it
        for breach in walk(trails, leaf):
            yield fault_at(entry, organization, breach.code, breach.message)
