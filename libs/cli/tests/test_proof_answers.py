"""A mesh that answers with what was not asked for."""

import json
from types import SimpleNamespace

import pytest
import typer
from rich.text import Text

from metaqore.audit.v1 import audit_pb2 as audit
from metaqore_cli.audit_commands import _as_name, _line, _proof_of, _report, fetch_proof, promised
from metaqore_cli.verification import Verified
from metaqore_governance_core.errors import MetaQoreError
from task_records import command, raw


def answering(receipt):
    record = audit.ProvenRecord(record=b"{}")
    answer = audit.GetReceiptResponse(receipt_id=receipt, decision=record, outcome=record)
    return SimpleNamespace(get_receipt=lambda _: answer)


def test_the_proof_of_the_receipt_that_was_asked_for_is_taken():
    assert fetch_proof(answering("r-1"), "r-1", 0).receipt == "r-1"


def test_nobody_waits_for_the_outcome_of_a_command():
    answer = audit.GetReceiptResponse(receipt_id="r-1", decision=audit.ProvenRecord(record=raw(command(1))))
    found = fetch_proof(SimpleNamespace(get_receipt=lambda _: answer), "r-1", 60)
    assert (found.decision.record, found.outcome) == (raw(command(1)), None)


def test_a_command_is_told_by_its_tool_and_verb():
    assert "psmp.artifact propose" in _line(7, json.loads(raw(command(1))))


def test_what_a_record_says_is_no_markup():
    outcome = json.loads(raw(command(1))) | {"kind": "outcome", "state": "done", "error": None, "model": "m[b]\x1b[2J"}
    assert "done  m[b]\ufffd[2J" in Text.from_markup(_line(7, outcome)).plain


def test_what_the_auditor_says_of_a_fault_neither_hides_nor_breaks_it(capsys):
    """Who tells of faults may be who made them."""
    fault = {"code": "root_mismatch", "message": "no\x1b[2K\x1b[1A [/] [green]verified[/green] [/odd]"}
    with pytest.raises(typer.Exit):
        _report(Verified(faults=[fault]), json_=False)
    told = capsys.readouterr().err
    assert "[green]verified[/green] [/odd]" in told
    assert "\x1b[2K" not in told


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


def test_a_file_that_is_not_there_is_told_as_that():
    with pytest.raises(MetaQoreError, match="nor a file"):
        _proof_of("prof.json", None, 0)


def test_a_file_may_have_a_path_as_long_as_a_token(tmp_path):
    folder = tmp_path / ("d" * 120) / ("e" * 120)
    folder.mkdir(parents=True)
    file = folder / "proof.json"
    file.write_bytes(b"{}")
    assert promised(str(file)) is None
    with pytest.raises(MetaQoreError) as refused:
        _proof_of(str(file), None, 0)
    assert refused.value.code == "proof_invalid"
    with pytest.raises(MetaQoreError) as refused:
        promised("e" * 700)
    assert refused.value.code == "receipt_invalid"
