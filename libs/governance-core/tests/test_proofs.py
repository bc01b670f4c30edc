"""A receipt proof stands on its own: nothing but a pinned key and the log's origin."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from written_records import command, decision, outcome, raw_of

from metaqore_governance_core.checkpoints import Checkpoint, log_origin, sign_checkpoint
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.merkle import MerkleTree, leaf_hash
from metaqore_governance_core.proofs import (
    ReceiptProof,
    RecordProof,
    from_json,
    to_json,
    verify_receipt_proof,
    verify_record_proof,
)

LOG_KEY = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
LOG_PUBLIC = LOG_KEY.public_key().public_bytes_raw()
ORIGIN = log_origin("mesh-1", "org_1")

DECISION, OUTCOME = decision(1), outcome(3, decision(1))
LOG = [
    raw_of(record) for record in (DECISION, decision(2, task="task-2"), OUTCOME, outcome(4, decision(2, task="task-2")))
]


def prove(index, size=4, log=LOG, origin=ORIGIN, key=LOG_KEY):
    tree = MerkleTree(map(leaf_hash, log[:size]))
    note = sign_checkpoint(Checkpoint(origin, size, tree.root), key)
    return RecordProof(log[index], index, tree.inclusion_path(index), note)


PROOF = ReceiptProof(DECISION.receipt, prove(0, 2), prove(2))


def test_decision_and_outcome_are_proven_each_under_its_checkpoint():
    proven = verify_receipt_proof(PROOF, ORIGIN, LOG_PUBLIC)
    assert (proven.decision, proven.outcome) == (DECISION, OUTCOME)
    assert verify_record_proof(PROOF.decision, ORIGIN, LOG_PUBLIC).size == 2


def test_a_decision_is_proven_before_its_outcome_is_there():
    assert verify_receipt_proof(replace(PROOF, outcome=None), ORIGIN, LOG_PUBLIC).outcome is None


def test_a_command_is_proven_alone():
    log = [raw_of(command(1)), *LOG[1:]]
    proof = ReceiptProof(command(1).receipt, prove(0, log=log))
    assert verify_receipt_proof(proof, ORIGIN, LOG_PUBLIC).decision == command(1)
    for changed in (replace(proof, outcome=prove(2, log=log)), replace(proof, receipt="another")):
        with pytest.raises(MetaQoreError) as refused:
            verify_receipt_proof(changed, ORIGIN, LOG_PUBLIC)
        assert refused.value.code == "receipt_proof_invalid"


@pytest.mark.parametrize("proof", [PROOF, replace(PROOF, outcome=None)])
def test_it_comes_back_from_json(proof):
    assert from_json(to_json(proof)) == proof
    assert from_json(json.dumps(json.loads(to_json(proof)), indent=2).encode()) == proof


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param(replace(PROOF, receipt="another"), id="another receipt"),
        pytest.param(replace(PROOF, decision=prove(1)), id="another task's decision"),
        pytest.param(replace(PROOF, decision=prove(2)), id="an outcome for a decision"),
        pytest.param(replace(PROOF, outcome=prove(0)), id="a decision for an outcome"),
        pytest.param(replace(PROOF, outcome=prove(3)), id="another task's outcome"),
        pytest.param(replace(PROOF, decision=replace(prove(0), index=1)), id="another index"),
        pytest.param(replace(PROOF, decision=replace(prove(0), path=prove(1).path)), id="another path"),
        pytest.param(replace(PROOF, decision=replace(prove(0), path=())), id="no path"),
        pytest.param(replace(PROOF, decision=replace(prove(0), record=LOG[1])), id="another record"),
        pytest.param(replace(PROOF, decision=replace(prove(0), checkpoint="")), id="no checkpoint"),
        pytest.param(replace(PROOF, decision=prove(0, origin=log_origin("mesh-1", "org_2"))), id="another log"),
        pytest.param(replace(PROOF, decision=prove(0, key=Ed25519PrivateKey.generate())), id="another key"),
        pytest.param(replace(PROOF, outcome=prove(2, key=Ed25519PrivateKey.generate())), id="another key below"),
    ],
)
def test_what_does_not_belong_together_fails(proof):
    with pytest.raises(MetaQoreError):
        verify_receipt_proof(proof, ORIGIN, LOG_PUBLIC)


def test_a_record_in_the_log_of_another_organization_fails():
    origin = log_origin("mesh-1", "org_2")
    proof = ReceiptProof(DECISION.receipt, prove(0, origin=origin))
    with pytest.raises(MetaQoreError) as refused:
        verify_receipt_proof(proof, origin, LOG_PUBLIC)
    assert refused.value.code == "receipt_proof_invalid"


def test_a_proof_with_any_byte_changed_fails():
    raw = to_json(PROOF)
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises(MetaQoreError):
            verify_receipt_proof(from_json(bytes(changed)), ORIGIN, LOG_PUBLIC)


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b"1", b"\xff", b'{"receipt":1,"version":1,"decision":{},"outcome":null}']
)
def test_other_bytes_are_no_proof(raw):
    with pytest.raises(MetaQoreError) as refused:
        from_json(raw)
    assert refused.value.code == "proof_invalid"


@pytest.mark.parametrize("place", ["", "decision", "outcome"])
def test_a_proof_that_two_readers_could_read_differently_is_none(place):
    proof = to_json(PROOF)
    at = proof.index(b"{", proof.index(b'"%b"' % place.encode()) if place else 0) + 1
    key = b"index" if place else b"receipt"
    with pytest.raises(MetaQoreError) as refused:
        from_json(proof[:at] + b'"%b":0,' % key + proof[at:])
    assert refused.value.code == "proof_invalid"


@pytest.mark.parametrize("version", [b"true", b"1.0", b"2", b'"1"'])
def test_only_a_version_that_is_known_is_read(version):
    with pytest.raises(MetaQoreError) as refused:
        from_json(to_json(PROOF).replace(b'"version":1}', b'"version":%b}' % version))
    assert refused.value.code == "proof_invalid"
