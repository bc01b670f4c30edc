"""What every call of `metaqore.psmp.v1` keeps: a command can be repeated, is answered with its receipt."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
FILES = sorted(path.stem for path in (PROTO / "metaqore" / "psmp" / "v1").glob("*.proto"))
DESCRIPTORS = [import_module(f"metaqore.psmp.v1.{name}_pb2").DESCRIPTOR for name in FILES]
METHODS = {
    f"{service.name}.{method.name}": method
    for file in DESCRIPTORS
    for service in file.services_by_name.values()
    for method in service.methods
}
COMMANDS = {name: method for name, method in METHODS.items() if "committed" in method.output_type.fields_by_name}
READS = sorted(METHODS.keys() - COMMANDS.keys())
NUMBERS = {"why": 10, "dry_run": 11, "expected_version": 12, "idempotency_key": 13}


def test_commands_are_told_from_reads():
    verbs = ("Get", "List", "Diff", "Download", "Upload", "Watch")
    assert set(READS) == {name for name in METHODS if name.partition(".")[2].startswith(verbs)}
    assert len(COMMANDS) == 36


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_can_be_repeated_and_answers_its_receipt(name):
    request, response = COMMANDS[name].input_type, COMMANDS[name].output_type
    fields = request.fields_by_name
    assert "idempotency_key" in fields
    assert all(fields[field].number == number for field, number in NUMBERS.items() if field in fields)
    committed = response.fields_by_name["committed"]
    assert (committed.number, committed.message_type.name) == (1, "Committed")
    assert "receipt_token" in committed.message_type.fields_by_name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_about_what_is_there_takes_the_version_that_its_caller_has_seen(name):
    request = COMMANDS[name].input_type
    makes = {"CreateProjectRequest", "OpenTaskRequest", "TakeCheckpointRequest"}
    if request.name == "ProposeArtifactsRequest":
        request = request.fields_by_name["proposals"].message_type
    assert ("expected_version" in request.fields_by_name) is (request.name not in makes)


@pytest.mark.parametrize("name", READS)
def test_a_read_takes_no_idempotency_key(name):
    assert not NUMBERS.keys() & METHODS[name].input_type.fields_by_name.keys()


def test_a_page_is_asked_for_alike_everywhere():
    for method in METHODS.values():
        fields = {name: field.number for name, field in method.input_type.fields_by_name.items()}
        paged = "next_page_token" in method.output_type.fields_by_name
        assert ("page_token" in fields, fields.get("page_size"), fields.get("page_token")) == (
            (True, 8, 9) if paged else (False, None, None)
        )


def test_every_message_field_call_and_value_has_a_comment(tmp_path):
    rules = {"version": "v2", "modules": [{"path": "."}], "lint": {"use": ["COMMENTS"]}}
    found = subprocess.run(
        [Path(sys.executable).parent / "buf", "lint", "--config", json.dumps(rules), "--path", "metaqore/psmp"],
        cwd=PROTO,
        env={**os.environ, "BUF_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (found.returncode, found.stdout) == (0, "")
