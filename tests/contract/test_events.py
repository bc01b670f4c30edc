"""The event contracts: committed schemas are those of the code, only grow, and accept what the mesh sends."""

import json
from dataclasses import asdict
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import ValidationError
from written_records import decision, group_of, outcome

from metaqore_governance_core.contracts.asyncapi import document, to_yaml
from metaqore_governance_core.contracts.audit import AuditRecorded, CheckpointSealed
from metaqore_governance_core.contracts.compatibility import breaking_changes
from metaqore_governance_core.contracts.registry import EVENTS, PARTS
from metaqore_governance_core.contracts.schemas import schema_files, schema_of
from metaqore_governance_core.contracts.tasks import TaskCompleted, TaskStarted, TaskSubmitted
from metaqore_governance_core.contracts.topics import TOPICS, consumer_group, dead_letter_topic
from metaqore_governance_core.group import group_value, parse_group

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "libs" / "governance-core" / "schemas"
BASELINE = SCHEMAS / "baseline"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_committed_schemas_are_those_of_the_code():
    committed = {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.glob("*.json")}
    assert committed == schema_files(), "run libs/governance-core/generate.sh and commit the schemas"


def test_no_released_event_is_gone():
    assert {path.name for path in BASELINE.glob("*.json")} <= set(schema_files())
    assert list(BASELINE.glob("*.json"))


@pytest.mark.parametrize("baseline", sorted(BASELINE.glob("*.json")), ids=lambda path: path.stem)
def test_a_released_event_only_grows(baseline):
    assert breaking_changes(read(baseline), read(SCHEMAS / baseline.name)) == []


@pytest.mark.parametrize("baseline", sorted(BASELINE.glob("*.json")), ids=lambda path: path.stem)
def test_a_field_taken_from_a_released_event_would_be_caught(baseline):
    for name in read(baseline)["properties"]:
        schema = read(SCHEMAS / baseline.name)
        del schema["properties"][name]
        schema["required"] = [field for field in schema.get("required", []) if field != name]
        assert f"/{name}: the field is gone" in breaking_changes(read(baseline), schema)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.ce_type)
def test_a_schema_is_a_schema_and_its_names_follow_the_rule(event):
    jsonschema.Draft202012Validator.check_schema(schema_of(event))
    mesh, _, past_tense, version = event.ce_type.split(".")
    assert (mesh, version) == ("metaqore", "v1")
    assert past_tense.endswith(("ed",))
    assert event.topic in TOPICS


def test_topics_are_named_by_domain_stream_and_version():
    assert all(
        len(topic.split(".")) == 4 and topic.startswith("metaqore.") and topic.endswith(".v1") for topic in TOPICS
    )
    assert dead_letter_topic(TaskSubmitted.topic, "ai-gateway") == "metaqore.task.requests.v1.ai-gateway.dlq"
    assert consumer_group("ai-gateway", "tasks") == "metaqore.ai-gateway.tasks"


@pytest.mark.parametrize("service", PARTS)
def test_the_committed_asyncapi_is_that_of_the_code(service):
    committed = (ROOT / "services" / service / "asyncapi.yaml").read_text(encoding="utf-8")
    assert committed == to_yaml(document(service)), "run libs/governance-core/generate.sh and commit the documents"
    assert yaml.safe_load(committed) == document(service)


@pytest.mark.parametrize("service", PARTS)
def test_every_reference_in_an_asyncapi_document_leads_somewhere(service):
    whole = document(service)
    assert whole["asyncapi"] == "3.0.0"
    found = list(references(whole))
    assert found
    for reference in found:
        place = whole
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


@pytest.mark.parametrize("service", PARTS)
def test_an_asyncapi_document_names_every_topic_and_dead_letter_of_its_service(service):
    part = PARTS[service]
    topics = {event.topic for event in (*part.reads, *part.sends)}
    assert set(document(service)["channels"]) == topics | {
        dead_letter_topic(event.topic, service) for event in part.reads
    }


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a b",
        "yes",
        "No",
        "null",
        "1",
        "1.5",
        "-",
        "a: b",
        "a #b",
        "#",
        "'",
        '"',
        "\n",
        "é",
        "*x",
        "&x",
        "!x",
        "[",
        "trail ",
    ],
)
def test_every_string_survives_yaml(value):
    whole = {value: [value, {"k": value}, [], {}, [value, [value]], None, True, 1]}
    assert yaml.safe_load(to_yaml(whole)) == whole


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "Hello"},
        {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5, "unknown": {"x": 1}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}], "sensitivity": "INTERNAL"},
        {"prompt": "Hello", "deadline_s": 1.5, "project": "garden", "stop": ["a"], "seed": 7},
    ],
)
def test_a_task_is_read(value):
    TaskSubmitted.model_validate_json(json.dumps(value))
    jsonschema.validate(value, schema_of(TaskSubmitted))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"prompt": ""},
        {"messages": []},
        {"prompt": "a", "messages": [{"role": "user", "content": "b"}]},
        {"messages": [{"role": "wizard", "content": "b"}]},
        {"messages": [{"content": "b"}]},
        {"prompt": "a", "sensitivity": "SECRET"},
        {"prompt": "a", "max_tokens": 0},
        {"prompt": "a", "deadline_s": 0},
        {"prompt": ["a"]},
        [],
        None,
    ],
)
def test_what_is_no_task_is_refused_without_repeating_it(value):
    with pytest.raises(ValidationError) as refused:
        TaskSubmitted.model_validate_json(json.dumps(value))
    assert "input_value" not in str(refused.value)


def test_a_group_commit_is_the_event_that_the_schema_describes():
    first = decision(1)
    group = group_of([first, outcome(2, first)])
    value = group_value(group.head, group.signature, group.records)
    event = AuditRecorded.model_validate_json(value)
    jsonschema.validate(json.loads(value), schema_of(AuditRecorded))
    assert event.records == [json.loads(record) for record in group.records]
    assert parse_group(event.model_dump_json().encode()) == group
    assert asdict(group.head).items() <= event.model_dump().items()


def test_what_the_mesh_sends_fits_its_schema():
    result = {
        "task": "t", "organization": "o", "state": "denied", "receipt": "r", "receipt_token": "x", "model": "m",
        "answer": None, "usage": None, "error": {"code": "credential_in_prompt", "message": "Take it out."},
        "attempts": 0, "request": {"source": "/client", "id": "1"},
    }  # fmt: skip
    started = {
        "task": "t", "organization": "o", "project": None, "door": "rest", "model": "m", "verdict": "permit",
        "reasons": ["allowpath_allowed"], "sensitivity": "PUBLIC", "policy": "p", "policy_version": "v", "receipt": "r",
        "time_us": 1,
    }  # fmt: skip
    sealed = {
        "organization": "o", "origin": "m/o", "size": 3, "root": "0" * 64, "checkpoint": "m/o\n3\n", "time_us": 1,
    }  # fmt: skip
    for event, value in ((TaskCompleted, result), (TaskStarted, started), (CheckpointSealed, sealed)):
        assert event.model_validate(value).model_dump() == value
        jsonschema.validate(value, schema_of(event))
