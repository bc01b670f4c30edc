"""Records, groups and receipts as a writer makes them, for tests."""

from dataclasses import asdict

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.group import Group, GroupHead, signed_bytes
from metaqore_governance_core.keys import key_id
from metaqore_governance_core.merkle import MerkleTree, leaf_hash
from metaqore_governance_core.receipts import Receipt
from metaqore_governance_core.records import (
    CommandRecord,
    Commitment,
    DecisionRecord,
    OutcomeRecord,
    Personal,
    parse_record,
)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()
WRITER = "writer-1"


def decision(sequence, organization_sequence=None, organization="org_1", task="task-1", verdict="permit"):
    return DecisionRecord(
        caller="key_1",
        door="rest",
        findings={"email": 1},
        model="smollm2-135m",
        organization=organization,
        organization_sequence=organization_sequence or sequence,
        personal=Personal("Ada"),
        policy="default_local_first",
        policy_version="0123456789abcdef",
        project=None,
        prompt=Commitment("ab" * 32, "digest-1", 42),
        reasons=("allowpath_allowed",),
        receipt=f"receipt-of-{task}",
        sensitivity="SENSITIVE",
        sensitivity_sources=("scanner:email",),
        sequence=sequence,
        task=task,
        time_us=1_700_000_000_000_000 + sequence,
        verdict=verdict,
        writer=WRITER,
    )


def outcome(sequence, of, organization_sequence=None):
    return OutcomeRecord(
        answer=Commitment("cd" * 32, "digest-1", 7),
        attempts=1,
        completion_tokens=3,
        decision=leaf_hash(raw_of(of)).hex(),
        duration_us=1234,
        error=None,
        finish_reason="stop",
        locality="local",
        model="smollm2-135m",
        organization=of.organization,
        organization_sequence=organization_sequence or sequence,
        prompt_tokens=5,
        provider="local",
        receipt=of.receipt,
        sequence=sequence,
        state="done",
        task=of.task,
        time_us=1_700_000_000_000_000 + sequence,
        writer=WRITER,
    )


def command(sequence, organization_sequence=None, organization="org_1", verdict="permit"):
    return CommandRecord(
        body=Commitment("ef" * 32, "digest-1", 99),
        caller="key_1",
        door="grpc",
        findings={},
        organization=organization,
        organization_sequence=organization_sequence or sequence,
        personal=Personal("Ada"),
        policy="default_local_first",
        policy_version="0123456789abcdef",
        project="project-1",
        reasons=("allowpath_allowed",),
        receipt=f"receipt-{sequence}",
        sensitivity="INTERNAL",
        sensitivity_sources=("project:INTERNAL",),
        sequence=sequence,
        target=("artifact:artifact-1",),
        time_us=1_700_000_000_000_000 + sequence,
        tool="psmp.artifact",
        verb="propose",
        verdict=verdict,
        writer=WRITER,
    )


def raw_of(record):
    return canonical(asdict(record))


def leaf_of(record):
    return leaf_hash(raw_of(record)).hex()


def group_of(records, key=KEY):
    raws = tuple(map(raw_of, records))
    head = GroupHead(
        count=len(raws),
        first_sequence=records[0].sequence,
        key_id=key_id(key.public_key().public_bytes_raw()),
        root=MerkleTree(map(leaf_hash, raws)).root.hex(),
        time_us=1_700_000_000_000_000,
        writer=WRITER,
    )
    return Group(head, key.sign(signed_bytes(head)), raws)


def receipt_of(group, index):
    record = parse_record(group.records[index])
    tree = MerkleTree(map(leaf_hash, group.records))
    return Receipt(
        head=group.head,
        id=record.receipt,
        leaf_hash=leaf_of(record),
        organization=record.organization,
        path=tuple(node.hex() for node in tree.inclusion_path(index)),
        sequence=record.sequence,
        signature=group.signature.hex(),
        task="" if record.kind == "command" else record.task,
        writer=record.writer,
    )
