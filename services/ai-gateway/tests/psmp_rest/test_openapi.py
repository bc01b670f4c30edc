"""The description is complete: whoever reads nothing else can call everything."""

import jsonschema
import pytest

READS = {"400", "401", "403", "404", "500", "503"}
PROBLEM = "application/problem+json"


@pytest.fixture
async def document(client):
    return (await client.get("/openapi.json")).json()


def operations(document):
    for path, item in document["paths"].items():
        if path.startswith("/api/v1") and path != "/api/v1/health":
            for method, operation in item.items():
                yield f"{method.upper()} {path}", operation


async def test_every_operation_has_a_name_a_tag_and_a_description(document):
    known = {tag["name"] for tag in document["tags"]}
    names = []
    for name, operation in operations(document):
        names.append(operation["operationId"])
        assert operation["description"], name
        assert set(operation["tags"]) <= known, name
    assert len(names) == len(set(names)) >= 50


async def test_every_operation_tells_how_it_refuses(document):
    for name, operation in operations(document):
        responses = operation["responses"]
        assert responses.keys() >= READS, name
        for status, response in responses.items():
            if status.startswith(("4", "5")):
                schema = response["content"][PROBLEM]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, name
        changes = name.split()[0] != "GET"
        assert ({"409", "422"} <= responses.keys()) or not changes, name
        if name.startswith(("PATCH", "DELETE")):
            assert {"412", "428"} <= responses.keys(), name
            assert [one["required"] for one in operation["parameters"] if one["name"] == "If-Match"] == [True]


async def test_every_command_answers_with_a_receipt(document):
    for name, operation in operations(document):
        if not name.startswith("GET"):
            done = operation["responses"].get("201") or operation["responses"]["200"]
            assert {"X-MetaQore-Receipt", "X-MetaQore-Receipt-Id"} <= done["headers"].keys(), name
            if "put_content" not in operation["operationId"]:
                sent = {one["name"] for one in operation["parameters"]}
                assert {"Idempotency-Key", "X-MetaQore-Sensitivity"} <= sent, name


async def test_every_body_is_shown_by_an_example_or_may_be_left_out(document):
    schemas = document["components"]["schemas"]
    for name, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            reference = content["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
            required = operation["requestBody"].get("required", False)
            assert not required or schemas[reference].get("examples"), name
            assert not required or schemas[reference]["additionalProperties"] is False, name


async def test_every_example_holds_to_its_schema(document):
    within = {"components": document["components"]}
    shown = {name: one for name, one in document["components"]["schemas"].items() if "examples" in one}
    for name, schema in shown.items():
        for example in schema["examples"]:
            wrong = [error.message for error in jsonschema.Draft202012Validator(schema | within).iter_errors(example)]
            assert wrong == [], name


async def test_every_reference_leads_somewhere(document):
    schemas = document["components"]["schemas"]

    def references(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"].rpartition("/")[2]
            for one in value.values():
                yield from references(one)
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    assert set(references(document)) <= schemas.keys()
    assert "HTTPValidationError" not in schemas


async def test_everything_that_a_client_needs_is_there(document):
    names = {name for name, _ in operations(document)}
    artifact, task, project = (
        "/api/v1/artifacts/{artifact_id}",
        "/api/v1/tasks/{task_id}",
        "/api/v1/projects/{project_id}",
    )
    wanted = {
        *(f"{method} /api/v1/{many}" for method in ("GET", "POST") for many in ("projects", "tasks", "artifacts")),
        *(f"{method} {one}" for method in ("GET", "PATCH", "DELETE") for one in (project, task, artifact)),
        *(f"POST {artifact}/{step}" for step in ["propose", "activate", "deprecate", "archive", "reject", "withdraw"]),
        *(f"POST {task}/{step}" for step in ["claim", "release", "start", "complete", "fail", "cancel"]),
        f"GET {artifact}/versions",
        f"PUT {artifact}/versions/{{number}}/content",
        f"GET {artifact}/versions/{{number}}/content",
        "GET /api/v1/governance/conflicts",
        "POST /api/v1/governance/conflicts/{conflict_id}/resolve",
        "GET /api/v1/governance/blocking-report",
        f"GET {project}/history",
        f"GET {project}/diff",
        f"GET {artifact}/provenance",
        "GET /api/v1/checkpoints",
        "POST /api/v1/checkpoints/{checkpoint_id}/restore",
    }
    assert wanted <= names
