"""The events of PSMP: every command that people can give travels, and its schema may only grow."""

import copy
import json
import re
from typing import get_args

import jsonschema
import pytest
from pydantic import ValidationError

from metaqore_governance_core.contracts.asyncapi import document
from metaqore_governance_core.contracts.compatibility import breaking_changes
from metaqore_governance_core.contracts.psmp import CommandAnswered, CommandSubmitted, ProjectChanged
from metaqore_governance_core.contracts.psmp_commands import COMMAND_NAMES
from metaqore_governance_core.contracts.schemas import schema_of
from metaqore_governance_core.psmp import artifact_commands, event_codec, project, work

SCHEMA = schema_of(CommandSubmitted)
NEW = {"artifact_name": "app", "content_text": "print()", "declarations": {"paths": ["app.py"]}}


def named(aggregate, commands, *, but=()):
    snake = (re.sub(r"(?<=[a-z])(?=[A-Z])", "_", command.__name__).lower() for command in get_args(commands))
    return {f"{aggregate}.{verb}" for verb in snake if verb not in but}


def test_every_command_that_a_person_can_give_travels():
    deciders = (
        named("artifact", artifact_commands.Command, but={"rejudge", "lapse", "resolve"})
        | named("project", project.Command)
        | named("task", work.Command, but={"expire", "see_started", "see_ended"})
    )
    assert set(COMMAND_NAMES) == deciders | {"conflict.resolve", "checkpoint.take", "checkpoint.restore"}
    assert len(COMMAND_NAMES) == len(set(COMMAND_NAMES))


@pytest.mark.parametrize(
    "value",
    [
        {"command": {"name": "project.create", "project_name": "garden", "policy": {"veto_roles": ["security"]}}},
        {"command": {"name": "artifact.draft", "version": NEW}, "project": "p", "dry_run": True},
        {"command": {"name": "artifact.propose", "proposals": [{"created": NEW}] * 40, "refuse_blocked": True}},
        {"command": {"name": "artifact.propose", "proposals": [{"draft": {"artifact": "a", "version": 1}}]}},
        {"command": {"name": "task.claim", "task": "t", "lease_us": 1, "expected_revision": 3}, "unknown": 1},
        {"command": {"name": "task.describe", "task": "t", "title": "t", "labels": {"team": "web"}}},
        {"command": {"name": "artifact.activate", "artifact": "a", "version": 2}, "sensitivity": "INTERNAL"},
        {
            "command": {
                "name": "conflict.resolve", "conflict": "c", "artifact": "a", "version": 2, "choice": "merge",
                "why": "w",
            }
        },
    ],
)  # fmt: skip
def test_a_command_is_read(value):
    jsonschema.validate(value, SCHEMA)
    command = CommandSubmitted.model_validate_json(json.dumps(value)).command
    assert (command.tool, command.verb) == tuple(f"psmp.{command.name}".rsplit(".", 1))


@pytest.mark.parametrize(
    "command",
    [
        None,
        {},
        {"name": "artifact.bury"},
        {"name": "task.claim", "task": "t"},
        {"name": "task.claim", "task": "t", "lease_us": 0},
        {"name": "project.freeze", "why": ""},
        {"name": "artifact.propose", "proposals": []},
        {"name": "artifact.propose", "proposals": [{}]},
        {"name": "artifact.propose", "proposals": [{"created": NEW, "draft": {"artifact": "a", "version": 1}}]},
        {"name": "artifact.draft", "version": {"artifact_name": "app"}},
        {"name": "artifact.draft", "version": NEW | {"content_base64": "AA=="}},
        {"name": "artifact.activate", "artifact": "a", "version": 0},
        {"name": "artifact.activate_own", "artifact": "a", "version": 1},
    ],
)
def test_what_is_no_command_is_refused_without_repeating_it(command):
    with pytest.raises(ValidationError) as refused:
        CommandSubmitted.model_validate_json(json.dumps({"command": command}))
    assert "input_value" not in str(refused.value)


def changed(spoil):
    schema = copy.deepcopy(SCHEMA)
    spoil(schema["properties"]["command"]["oneOf"], schema["$defs"])
    return breaking_changes(SCHEMA, schema)


def test_a_new_command_and_a_new_optional_field_are_no_break():
    one_more = {"type": "object", "properties": {"name": {"const": "artifact.praise"}}, "required": ["name"]}
    assert changed(lambda commands, _: commands.append(one_more)) == []
    assert changed(lambda _, models: models["ClaimTask"]["properties"].update(note={"type": "string"})) == []


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda commands, _: commands.pop(), id="a command is gone"),
        pytest.param(lambda _, models: models["ClaimTask"]["properties"].pop("lease_us"), id="a field is gone"),
        pytest.param(lambda _, models: models["CancelTask"]["required"].append("error"), id="a field is required"),
        pytest.param(lambda _, models: models["FreezeProject"]["properties"]["why"].update(maxLength=9), id="tighter"),
    ],
)
def test_a_break_in_any_command_is_caught(spoil):
    assert changed(spoil)


def test_what_the_mesh_sends_fits_its_schema():
    party = {"artifact": "a", "version": 1, "by": "ada", "declares": "numpy<2"}
    answered = {
        "name": "artifact.propose", "organization": "o", "project": "p", "state": "refused", "dry_run": False,
        "receipt": "r", "receipt_token": "x", "project_version": 7,
        "changes": [{"aggregate": "artifact", "id": "a", "revision": 2}],
        "conflicts": [
            {
                "id": "conflict_1", "type": "python_versions", "severity": "blocking", "key": "numpy",
                "parties": [party], "clashing": [party], "suggestion": "manual",
                "explanation": "They cannot stand together.",
            }
        ],
        "ways_out": [{"command": "metaqore artifact withdraw app.py@1", "who": "ada"}],
        "error": {"code": "artifact_blocked", "message": "Resolve this first.", "reasons": ["conflict_1"]},
        "request": {"source": "/client", "id": "1"},
    }  # fmt: skip
    stored = event_codec.encode(project.ProjectFrozen("ada", 1, "release"))
    happened = {
        "organization": "o", "project": "p", "version": 3, "aggregate": "project", "id": "p", "revision": 2,
        "name": stored.name, "data_schema": stored.schema, "data": stored.data, "by": "ada", "receipt": None,
        "time_us": 1,
    }  # fmt: skip
    for event, value in ((CommandAnswered, answered), (ProjectChanged, happened)):
        assert event.model_validate(value).model_dump() == value
        jsonschema.validate(value, schema_of(event))


def test_a_command_carries_a_key_and_its_answer_a_receipt():
    messages = document("ai-gateway")["components"]["messages"]
    assert "authorization" in messages["CommandSubmitted"]["headers"]["required"]
    assert "ce_metaqorereceipt" in messages["CommandAnswered"]["headers"]["properties"]
