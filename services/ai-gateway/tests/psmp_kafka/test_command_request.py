"""What is read as a command, and what is said of what is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.domain.command_request import command_key, read_command
from metaqore_ai_gateway.domain.task_result import RequestName
from metaqore_ai_gateway.service.idempotency import check_key
from metaqore_ai_gateway.service.psmp.take_commands import project_of
from metaqore_governance_core.errors import MetaQoreError

SECRET = "zqlabel7781"
FILE = {"artifact_name": "a.py", "content_text": "x = 1\n"}


def value(command, **beside):
    return json.dumps({"command": command, **beside}).encode()


def test_a_command_is_read_with_what_goes_beside_it():
    asked = read_command(
        value({"name": "task.open", "title": "Plant"}, project="garden", dry_run=True, sensitivity="SENSITIVE", new=1)
    )
    assert (asked.command.name, asked.command.title) == ("task.open", "Plant")
    assert (asked.project, asked.dry_run, asked.sensitivity) == ("garden", True, "SENSITIVE")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"{no", "invalid_json", id="no JSON"),
        pytest.param(b'{"command":{"name":"task.open","name":"task.claim"}}', "duplicate_key", id="a repeated key"),
        pytest.param(b"{}", "command_invalid", id="no command"),
        pytest.param(value({"name": "garden.water"}), "command_invalid", id="no such command"),
        pytest.param(value({"name": "task.open"}), "command_invalid", id="a field is missing"),
        pytest.param(value({"name": "task.open", "title": "a\0b"}), "command_invalid", id="what no row can hold"),
        pytest.param(value({"name": "task.open", "title": "a"}, sensitivity="LOW"), "command_invalid", id="no level"),
        pytest.param(value({"name": "task.open", "title": "a"}, deadline_s=0), "command_invalid", id="no time"),
        pytest.param(b'{"command":{"name":"task.open","title":"\\ud800"}}', "invalid_unicode", id="half a pair"),
        pytest.param(b'{"a":' * 70 + b"1" + b"}" * 70, "nested_too_deep", id="nested too deep"),
    ],
)
def test_what_nobody_can_read(raw, code):
    with pytest.raises(MetaQoreError) as refused:
        read_command(raw)
    assert (refused.value.code, refused.value.retryable) == (code, False)


@pytest.mark.parametrize(
    "command",
    [
        {"name": SECRET},
        {"name": "project.create", "project_name": SECRET * 100},
        {"name": "project.create", "project_name": "a", "labels": {SECRET: 7}},
        {"name": "artifact.propose", "proposals": [{"created": {**FILE, "content_base64": SECRET}}]},
    ],
)
def test_what_is_said_of_it_repeats_nothing_of_it(command):
    with pytest.raises(MetaQoreError) as refused:
        read_command(value(command))
    assert SECRET not in str(refused.value)


def test_what_is_said_of_it_tells_the_place():
    proposals = [{"created": FILE}, {"created": {"content_text": "x"}}]
    with pytest.raises(
        MetaQoreError, match=r"missing at command\.artifact\.propose\.proposals\.1\.created\.artifact_name"
    ):
        read_command(value({"name": "artifact.propose", "proposals": proposals}))


@given(st.text(), st.text(), st.text(), st.text())
def test_a_key_stands_for_one_event(source, id_, other_source, other_id):
    one, other = RequestName(source, id_), RequestName(other_source, other_id)
    try:
        key, other_key = command_key(one), command_key(other)
    except UnicodeEncodeError:  # half a pair, which no header holds
        return
    check_key(key)
    assert (key == other_key) == (one == other)


def test_a_key_tells_where_source_and_id_meet():
    assert command_key(RequestName("a", "bc")) != command_key(RequestName("ab", "c"))


@pytest.mark.parametrize(
    ("command", "beside", "project"),
    [
        pytest.param({"name": "task.open", "title": "a"}, {}, "default", id="none named: the default"),
        pytest.param({"name": "task.open", "title": "a"}, {"project": "garden"}, "garden", id="the one named"),
        pytest.param({"name": "artifact.propose", "proposals": [{"created": FILE}]}, {}, "default", id="new versions"),
        pytest.param(
            {"name": "artifact.propose", "proposals": [{"draft": {"artifact": "a", "version": 1}}]},
            {},
            None,
            id="a draft knows its own",
        ),
        pytest.param({"name": "task.claim", "task": "t", "lease_us": 1}, {}, None, id="a task knows its own"),
        pytest.param(
            {"name": "task.claim", "task": "t", "lease_us": 1}, {"project": "garden"}, "garden", id="and is told"
        ),
        pytest.param({"name": "project.create", "project_name": "g"}, {}, None, id="its id is not known yet"),
    ],
)
def test_in_whose_order_a_command_is(command, beside, project):
    assert project_of(read_command(value(command, **beside))) == project
