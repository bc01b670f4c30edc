"""A mesh that answers with what was not asked for."""

from types import SimpleNamespace

import pytest

from metaqore.audit.v1 import audit_pb2 as audit
from metaqore_cli.audit_commands import _as_name, fetch_proof
from metaqore_governance_core.errors import MetaQoreError


def answering(receipt):
    record = audit.ProvenRecord(record=b"{}")
    answer = audit.GetReceiptResponse(receipt_id=receipt, decision=record, outcome=record)
    return SimpleNamespace(get_receipt=lambda _: answer)


def test_the_proof_of_the_receipt_that_was_asked_for_is_taken():
    assert fetch_proof(answering("r-1"), "r-1", 0).receipt == "r-1"


def test_the_proof_of_another_receipt_is_refused():
    """It would verify: it is sealed, but stands for another task."""
    with pytest.raises(MetaQoreError) as refused:
        fetch_proof(answering("r-2"), "r-1", 0)
    assert refused.value.code == "receipt_differs"


@pytest.mark.parametrize("receipt", ["../../x", "/x", ""])
def test_a_receipt_that_is_a_path_names_no_file(receipt):
    with pytest.raises(MetaQoreError) as refused:
        _as_name(receipt)
    assert refused.value.code == "receipt_invalid"
