"""Which writers' receipts are believed: a receipt names its writer, and could name any file."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_cli.trust import Trust
from metaqore_cli.verification import Verified, verify_receipt
from metaqore_governance_core.checkpoints import Checkpoint, sign_checkpoint
from metaqore_governance_core.group import GroupHead, signed_bytes
from metaqore_governance_core.keys import key_id
from metaqore_governance_core.merkle import leaf_hash
from metaqore_governance_core.proofs import ReceiptProof, RecordProof
from metaqore_governance_core.receipts import Receipt
from metaqore_mesh.run_directory import RunDirectory
from task_records import decision, raw

WRITER = "gw-" + "a" * 26


@pytest.fixture
def verified(tmp_path, monkeypatch):
    """Verifies the receipt of `writer`, whose public key is in `file` below the writers' directory."""
    monkeypatch.setenv("METAQORE_RUN_DIR", str(tmp_path))
    run = RunDirectory(tmp_path)
    run.create()

    def verified(writer, file):
        key, log_key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        (run.writers / file).write_bytes(b64encode(key.public_key().public_bytes_raw()))
        record = raw(decision("a", 1, writer))
        leaf = leaf_hash(record)
        head = GroupHead(1, 1, key_id(key.public_key().public_bytes_raw()), leaf.hex(), 1, writer)
        signature = key.sign(signed_bytes(head)).hex()
        promise = Receipt(
            id="r-a", organization="org_1", task="a", writer=writer, sequence=1, leaf_hash=leaf.hex(), head=head,
            path=(), signature=signature,
        )  # fmt: skip
        note = sign_checkpoint(Checkpoint("mesh/org_1", 1, leaf), log_key)
        result = Verified()
        trust = Trust(log_key.public_key().public_bytes_raw(), mesh="mesh")
        verify_receipt(ReceiptProof("r-a", RecordProof(record, 0, (), note), None), trust, promise, result)
        return result

    return verified


def test_a_writer_whose_key_is_published_is_believed(verified):
    assert verified(WRITER, f"{WRITER}.pub").faults == []


@pytest.mark.parametrize("writer", ["../../x", "../x", "x", f"{WRITER}/../x"])
def test_a_writer_that_is_a_path_is_refused(verified, writer):
    result = verified(writer, "../../x.pub" if writer == "../../x" else "x.pub")
    assert [fault["code"] for fault in result.faults] == ["writer_unknown"]
    assert result.verified == 0
