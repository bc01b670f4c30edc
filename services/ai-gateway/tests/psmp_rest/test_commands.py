"""Each endpoint that changes something is one command, with what its request says around it."""

from typing import NamedTuple

import pytest

from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_governance_core.identity import Door
from metaqore_governance_core.sensitivity import Sensitivity

TASK = "01a1fe8b-88ea-74c5-8a59-b63f784f9b97"
ARTIFACT = artifact_id("org_1", "p1", "api")
CHECKPOINT = "checkpoint_" + "a" * 26

MATCH = {"if-match": '"5"'}
FILE = {"name": "api", "content_text": "x = 1\n"}


class Case(NamedTuple):
    method: str
    path: str
    body: dict | None
    name: str
    fields: dict
    made: bool = False
    match: int | None = None


def case(method, path, *rest, **more):
    made = Case(method, f"/api/v1{path}", *rest, **more)
    return pytest.param(made, id=f"{method} {path} {made.name}")


CASES = [
    case("POST", "/projects", {"name": "a"}, "project.create", {"project_name": "a", "mode": "strict"}, made=True),
    case("PATCH", "/projects/p1", {"labels": {"a": "b"}}, "project.describe", {"labels": {"a": "b"}}, match=5),
    case("DELETE", "/projects/p1?cascade=true", None, "project.archive", {"cascade": True}, match=5),
    case("POST", "/projects/p1/freeze", {"why": "w"}, "project.freeze", {"why": "w"}),
    case("POST", "/projects/p1/unfreeze", {"why": "w"}, "project.unfreeze", {"why": "w"}),
    case("POST", "/projects/p1/mode", {"mode": "flexible", "why": "w"}, "project.set_mode", {"mode": "flexible"}),
    case("POST", "/projects/p1/policy", {"policy": {"veto_roles": ["r"]}, "why": "w"}, "project.set_policy", {}),
    case("POST", "/tasks", {"title": "t", "project_id": "p1"}, "task.open", {"title": "t"}, made=True),
    case("POST", "/tasks", {"title": "t", "labels": {"a": "b"}}, "task.open", {"labels": {"a": "b"}}, made=True),
    case("PATCH", f"/tasks/{TASK}", {"title": "t"}, "task.describe", {"title": "t", "labels": None}, match=5),
    case("POST", f"/tasks/{TASK}/claim", {"lease_us": 9}, "task.claim", {"task": TASK, "lease_us": 9}),
    case("POST", f"/tasks/{TASK}/release", None, "task.release", {"task": TASK}),
    case("POST", f"/tasks/{TASK}/start", {}, "task.start", {"task": TASK}),
    case("POST", f"/tasks/{TASK}/complete", {"expected_version": 2}, "task.complete", {"expected_revision": 2}),
    case("POST", f"/tasks/{TASK}/fail", {"error": "e"}, "task.fail", {"error": "e"}),
    case("POST", f"/tasks/{TASK}/cancel", None, "task.cancel", {"error": "cancelled"}),
    case("DELETE", f"/tasks/{TASK}", None, "task.cancel", {"task": TASK}, match=5),
    case("POST", "/artifacts", FILE, "artifact.propose", {"refuse_blocked": False}, made=True),
    case("POST", "/artifacts", FILE | {"draft": True, "expected_version": 0}, "artifact.draft", {}, made=True),
    case("POST", "/artifacts/batch", {"proposals": [{"created": FILE}] * 40}, "artifact.propose", {}),
    case("PATCH", f"/artifacts/{ARTIFACT}", {"description": "d"}, "artifact.describe", {"labels": None}, match=5),
    case("PATCH", f"/artifacts/{ARTIFACT}", {"declarations": {}}, "artifact.amend", {"version": 2}, match=5),
    case("DELETE", f"/artifacts/{ARTIFACT}?why=old", None, "artifact.retire", {"why": "old"}, match=5),
    case("POST", f"/artifacts/{ARTIFACT}/propose", None, "artifact.propose", {}),
    case("POST", f"/artifacts/{ARTIFACT}/activate", {"version": 1}, "artifact.activate", {"version": 1}),
    case("POST", f"/artifacts/{ARTIFACT}/activate", None, "artifact.activate", {"version": 2}),
    case(
        "POST",
        f"/artifacts/{ARTIFACT}/activate",
        {"over_warning": True, "why": "w"},
        "artifact.activate_over_warning",
        {"why": "w"},
    ),
    case("POST", f"/artifacts/{ARTIFACT}/activate", {"own": True, "why": "w"}, "artifact.activate_own", {"why": "w"}),
    case("POST", f"/artifacts/{ARTIFACT}/activate", {"propose": True, "why": "w"}, "artifact.propose_and_activate", {}),
    case("POST", f"/artifacts/{ARTIFACT}/deprecate", {"why": "w"}, "artifact.deprecate", {"why": "w", "version": 2}),
    case("POST", f"/artifacts/{ARTIFACT}/archive", {"why": "w"}, "artifact.archive", {"why": "w"}),
    case("POST", f"/artifacts/{ARTIFACT}/reject", {"why": "w"}, "artifact.reject", {"why": "w"}),
    case("POST", f"/artifacts/{ARTIFACT}/veto", {"why": "w"}, "artifact.lay_veto", {"why": "w"}),
    case("POST", f"/artifacts/{ARTIFACT}/lift-veto", {"why": "w"}, "artifact.lift_veto", {"why": "w"}),
    case("POST", f"/artifacts/{ARTIFACT}/erase", {"why": "w", "version": 1}, "artifact.erase_body", {"version": 1}),
    case("POST", f"/artifacts/{ARTIFACT}/withdraw", None, "artifact.withdraw", {"why": ""}),
    case("POST", f"/artifacts/{ARTIFACT}/approve", {"role": "reviewer"}, "artifact.approve", {"role": "reviewer"}),
    case(
        "POST",
        "/governance/conflicts/conflict_1/resolve",
        {"choice": "merge", "why": "w"},
        "conflict.resolve",
        {"artifact": ARTIFACT, "version": 2, "conflict": "conflict_1"},
    ),
    case("POST", "/checkpoints", {"name": "c", "project_id": "p1"}, "checkpoint.take", {"at_version": None}, made=True),
    case("POST", f"/checkpoints/{CHECKPOINT}/restore", {"why": "w", "expected_version": 3}, "checkpoint.restore", {}),
]


@pytest.mark.parametrize("one", CASES)
async def test_an_endpoint_is_a_command(client, gate, one):
    headers = {"idempotency-key": "k-1", "x-metaqore-sensitivity": "SENSITIVE"}
    headers |= MATCH if one.match else {}
    answer = await client.request(one.method, one.path, json=one.body, headers=headers)
    assert answer.status_code == (201 if one.made else 200), answer.text
    (given,) = gate.given
    assert (given.command.name, given.key, given.door) == (one.name, "k-1", Door.REST)
    assert (given.label, given.dry_run) == (Sensitivity.SENSITIVE, False)
    told = given.command.model_dump()
    assert {field: told[field] for field in one.fields} == one.fields
    if one.match:
        assert given.command.expected_revision == one.match
    assert given.raw == answer.request.content
    assert (answer.headers["x-metaqore-receipt"], answer.headers["x-metaqore-receipt-id"]) == ("token-1", "receipt-1")
    assert answer.headers["x-metaqore-project-version"] == "18"
    assert answer.headers["etag"].strip('"').isdecimal()
    assert ("location" in answer.headers) == one.made


@pytest.mark.parametrize("one", CASES)
async def test_a_dry_run_makes_nothing(client, gate, one):
    path, body = one.path, None
    if one.method == "DELETE":
        path += "&dry_run=true" if "?" in path else "?dry_run=true"
    else:
        body = (one.body or {}) | {"dry_run": True}
    answer = await client.request(one.method, path, json=body, headers=MATCH if one.match else {})
    assert (answer.status_code, answer.json()["dry_run"]) == (200, True), answer.text
    assert gate.given[0].dry_run
    assert answer.headers["x-metaqore-receipt-id"] == "receipt-1"
    assert not {"etag", "location"} & answer.headers.keys()


async def test_what_is_made_is_found_where_the_answer_says(client, conflict):
    made = await client.post("/api/v1/artifacts", json=FILE)
    assert made.headers["location"] == f"/api/v1/artifacts/{ARTIFACT}"
    read = (await client.get(made.headers["location"])).json()
    changed = made.json()
    assert {name: changed[name] for name in read} == read
    assert changed["version"]["number"] == 2
    assert [one["id"] for one in changed["conflicts"]] == [conflict.id]


async def test_a_proposal_brings_all_that_it_declares(client, gate):
    body = {
        "project_id": "p1",
        "name": "api",
        "content_base64": "eA==",
        "media_type": "text/plain",
        "declarations": {
            "paths": ["api.py"],
            "renames": [{"from_path": "a", "to_path": "b"}],
            "dependencies": [{"ecosystem": "npm", "name": "react", "text": "^18", "kind": "peer"}],
            "environment": "web",
            "semantic_version": "1.0.0",
            "sensitivity": "CRITICAL",
        },
        "provenance": {"agent": "a", "model": "m", "task": "t", "inputs": ["artifact_x@1"], "document_digests": ["d"]},
        "description": "d",
        "labels": {"team": "web"},
        "refuse_blocked": True,
        "expected_version": 4,
    }
    assert (await client.post("/api/v1/artifacts", json=body)).status_code == 201
    (given,) = gate.given
    (proposal,) = given.command.proposals
    created = proposal.created.model_dump()
    assert (given.project, given.command.refuse_blocked, proposal.expected_revision) == ("p1", True, 4)
    assert created["artifact_name"] == "api"
    assert created["labels"] == body["labels"]
    for part in ("declarations", "provenance"):
        assert body[part].items() <= _without_empty(created[part]).items()


def _without_empty(value):
    if isinstance(value, dict):
        return {name: _without_empty(one) for name, one in value.items() if one not in ("", [], None)}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


async def test_a_version_that_is_named_is_not_looked_for(client, readings):
    body = {"version": 1, "why": "w"}
    assert (await client.post(f"/api/v1/artifacts/{ARTIFACT}/reject", json=body)).status_code == 200
    body = {"choice": "manual", "why": "w", "artifact_id": ARTIFACT, "version": 2}
    assert (await client.post("/api/v1/governance/conflicts/conflict_1/resolve", json=body)).status_code == 200
    assert readings.asked == []


async def test_nothing_is_read_for_who_may_not_resolve(client, gate, readings):
    body, headers = {"choice": "manual", "why": "w"}, {"authorization": "Bearer reader"}
    await client.post("/api/v1/governance/conflicts/conflict_1/resolve", json=body, headers=headers)
    (given,) = gate.given  # where it is denied, on record
    assert (given.caller.name, given.command.conflict) == ("reader", "conflict_1")
    assert readings.asked == []


async def test_a_resolution_tells_its_steps(client):
    body = {"choice": "take_incoming", "why": "w"}
    told = (await client.post("/api/v1/governance/conflicts/conflict_1/resolve", json=body)).json()
    assert told["steps"] == [{"artifact": "model", "version": 1, "verb": "reject", "why": "because", "parents": []}]
    assert told["version"]["number"] == 2


async def test_a_restore_tells_what_differs_and_what_it_blocks(client, conflict):
    body = {"why": "w", "dry_run": True}
    told = (await client.post(f"/api/v1/checkpoints/{CHECKPOINT}/restore", json=body)).json()
    assert told["differences"] == [{"artifact_id": ARTIFACT, "name": "api", "version_before": 1, "version_after": None}]
    assert [one["id"] for one in told["conflicts"]] == [conflict.id]


async def test_the_end_of_a_project_tells_what_ended_with_it(client):
    told = await client.delete("/api/v1/projects/p1", params={"cascade": "true"}, headers=MATCH)
    assert told.json()["ended"] == [f"artifact {ARTIFACT}"]
