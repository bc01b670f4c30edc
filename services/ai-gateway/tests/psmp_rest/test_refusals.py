"""What is refused, with which status, and what the refusal tells."""

import httpx
import pytest

from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.blocking_report import WayOut

ARTIFACT = artifact_id("org_1", "p1", "api")
AT = f"/api/v1/artifacts/{ARTIFACT}"
STALE = MetaQoreError("version_stale", "It is at 6 now.", kind=ErrorKind.CONFLICT)
FILE = {"name": "api", "content_text": "x"}


def problem(answer):
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["status"] == answer.status_code
    assert {"type", "title", "detail", "code", "retryable", "instance"} <= told.keys()
    return answer.status_code, told["code"]


@pytest.mark.parametrize("path", [AT, "/api/v1/projects/p1"])
async def test_a_change_must_say_what_it_has_seen(client, gate, path):
    assert problem(await client.patch(path, json={"description": "d"})) == (428, "if_match_missing")
    assert problem(await client.delete(path)) == (428, "if_match_missing")
    assert gate.given == []


async def test_what_is_stale_is_412_in_a_header_and_409_in_a_body(client, gate):
    gate.refuse = STALE
    answer = await client.patch(AT, json={"description": "d"}, headers={"if-match": '"5"'})
    assert problem(answer) == (412, "version_stale")
    assert answer.json()["title"] == "Precondition Failed"
    answer = await client.post(f"{AT}/activate", json={"version": 1, "expected_version": 5})
    assert problem(answer) == (409, "version_stale")


@pytest.mark.parametrize(
    ("tag", "refused"),
    [
        pytest.param("*", None, id="whatever is there"),
        pytest.param(' "5" ', None, id="spaces around it"),
        pytest.param('W/"5"', (412, "version_stale"), id="a weak one matches nothing"),
        pytest.param('"abc"', (412, "version_stale"), id="one that nothing here has had"),
        pytest.param("5", (412, "version_stale"), id="without quotes"),
        pytest.param('"9999999999999999"', (412, "version_stale"), id="one too large"),
        pytest.param('"4", "5"', (400, "if_match_invalid"), id="several"),
        pytest.param('"' + "5" * 70 + '"', (400, "invalid_request"), id="one too long"),
    ],
)
async def test_an_entity_tag_is_one_revision(client, gate, tag, refused):
    answer = await client.delete(AT, headers={"if-match": tag})
    if refused is None:
        assert answer.status_code == 200
        assert gate.given[0].command.expected_revision == (None if tag == "*" else 5)
    else:
        assert problem(answer) == refused
        assert gate.given == []


@pytest.mark.parametrize(
    ("name", "values", "refused"),
    [
        ("if-match", ('"5"', '"9"'), (400, "if_match_invalid")),
        ("x-metaqore-sensitivity", ("PUBLIC", "CRITICAL"), (400, "sensitivity_unknown")),
        ("authorization", ("Bearer alice", "Bearer nobody"), (401, "invalid_api_key")),
    ],
)
async def test_of_a_header_that_is_repeated_the_first_is_not_all(client, gate, name, values, refused):
    sent = {"if-match": ("*",), "authorization": (client.headers.pop("authorization"),)} | {name: values}
    headers = [(name, value) for name, values in sent.items() for value in values]
    assert problem(await client.patch(AT, json={"description": "d"}, headers=headers)) == refused
    assert gate.given == []


async def test_two_versions_at_once_are_none(client):
    answer = await client.post(f"{AT}/activate", json={"expected_version": 4}, headers={"if-match": '"5"'})
    assert problem(answer) == (400, "expected_version_differs")


async def test_a_refusal_says_who_what_and_how_to_resolve(client, gate, conflict):
    error = MetaQoreError("artifact_blocked", "Resolve it first.", kind=ErrorKind.PRECONDITION, reasons=(conflict.id,))
    way_out = WayOut(f"metaqore conflict resolve {conflict.id} keep_existing", "anybody but alice")
    gate.refuse = CommandRefusedError(
        error,
        state="refused",
        receipt="r",
        receipt_token="t",
        project="p1",
        conflicts=(conflict,),
        ways_out=(way_out,),
    )
    answer = await client.post("/api/v1/artifacts", json=FILE | {"refuse_blocked": True})
    assert problem(answer) == (409, "artifact_blocked")
    assert (answer.headers["x-metaqore-receipt"], answer.headers["x-metaqore-receipt-id"]) == ("t", "r")
    told = answer.json()
    (one,) = told["conflicts"]
    assert [party["by"] for party in one["clashing"]] == ["alice", "bob"]
    assert one["clashing"][0]["artifact_id"] == ARTIFACT
    assert one["choices"][0] == one["suggestion"] == "keep_existing"
    assert one["explanation"] == conflict.explanation
    assert told["ways_out"] == [{"command": way_out.command, "who": way_out.who}]
    assert (told["state"], told["reasons"]) == ("refused", [conflict.id])


@pytest.mark.parametrize(
    ("kind", "status"),
    [(ErrorKind.FORBIDDEN, 403), (ErrorKind.PRECONDITION, 409), (ErrorKind.UNAVAILABLE, 503)],
)
async def test_what_was_recorded_has_a_receipt_whatever_came_of_it(client, gate, kind, status):
    error = MetaQoreError("some_code", "No.", kind=kind)
    gate.refuse = CommandRefusedError(error, state="denied", receipt="r", receipt_token="t")
    answer = await client.post("/api/v1/tasks", json={"title": "t"})
    assert problem(answer) == (status, "some_code")
    assert answer.headers["x-metaqore-receipt-id"] == "r"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b'{"name": "a", "name": "b", "content_text": ""}', "duplicate_key", id="a key twice"),
        pytest.param(b'{"name": "\xff"}', "invalid_utf8", id="no UTF-8"),
        pytest.param(b'{"name": "\\ud800", "content_text": ""}', "invalid_unicode", id="half a surrogate pair"),
        pytest.param(b'{"name": NaN}', "invalid_json", id="no number"),
        pytest.param(b"[]", "invalid_json", id="no object"),
        pytest.param(b"{", "invalid_json", id="half of one"),
        pytest.param(b'{"name": ' + b"[" * 70 + b"]" * 70 + b"}", "nested_too_deep", id="nested too deep"),
        pytest.param(b"", "invalid_request", id="nothing"),
        pytest.param(b'{"name": "a", "content_text": "", "phase": "active"}', "invalid_request", id="an unknown field"),
        pytest.param(b'{"name": "a", "content_text": "", "declarations": {"x": 1}}', "invalid_request", id="deeper"),
        pytest.param(b'{"name": "a"}', "invalid_request", id="no body"),
        pytest.param(b'{"name": "a", "content_text": "", "content_digest": "d"}', "invalid_request", id="two bodies"),
        pytest.param(b'{"name": "a", "content_text": "", "draft": "true"}', "invalid_request", id="no boolean"),
        pytest.param(b'{"name": "a\\u0000", "content_text": ""}', "invalid_request", id="what no row can hold"),
    ],
)
async def test_a_body_is_read_strictly(client, gate, body, code):
    answer = await client.post("/api/v1/artifacts", content=body, headers={"content-type": "application/json"})
    assert problem(answer) == (400, code)
    assert gate.given == []


async def test_a_refusal_repeats_nothing_that_was_sent(client):
    answer = await client.post("/api/v1/artifacts", json=FILE | {"mine": "top secret", "draft": "also secret"})
    assert "secret" not in answer.text
    assert answer.json()["reasons"] == ["body.draft", "body.mine"]


async def test_a_body_has_bounds_and_a_type(client):
    answer = await client.post("/api/v1/artifacts", json=FILE | {"content_text": "x" * 70_000})
    assert problem(answer) == (413, "body_too_large")
    answer = await client.post("/api/v1/artifacts", content=b"name=a", headers={"content-type": "text/plain"})
    assert problem(answer) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("key", "status"), [pytest.param(None, 401, id="no key"), pytest.param("nobody", 401, id="an unknown one")]
)
async def test_nobodys_body_is_read_who_has_no_key(app, key, status):
    async def endless():
        raise AssertionError("the body was read")
        yield b""

    headers = {"content-type": "application/json"} | ({} if key is None else {"authorization": f"Bearer {key}"})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers) as client:
        for path in ("/api/v1/projects", "/api/v1/artifacts/batch", "/api/v1/tasks"):
            assert (await client.post(path, content=endless())).status_code == status
        assert (await client.put("/api/v1/contents", content=endless())).status_code == status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/projects?colour=red"),
        ("GET", f"{AT}?colour=red"),
        ("POST", "/api/v1/tasks?colour=red"),
        ("DELETE", f"{AT}?colour=red"),
        ("GET", "/api/v1/projects?page_size=0"),
        ("GET", "/api/v1/artifacts?label=none"),
        ("GET", "/api/v1/governance/conflicts?severity=awful"),
        ("GET", f"{AT}/versions/0"),
        ("GET", "/api/v1/projects/%00"),
        ("GET", "/api/v1/projects/p1/diff"),
    ],
)
async def test_unknown_parameters_and_values_are_refused(client, method, path):
    body = {"title": "t"} if method == "POST" else None
    answer = await client.request(method, path, json=body, headers={"if-match": "*"})
    assert problem(answer) == (400, "invalid_request")


@pytest.mark.parametrize("key", ["", "é", "x" * 256])
async def test_an_idempotency_key_is_printable_and_short(client, gate, key):
    answer = await client.post("/api/v1/tasks", json={"title": "t"}, headers={"idempotency-key": key.encode("latin-1")})
    assert answer.status_code == 400
    assert gate.given == []


async def test_a_sensitivity_is_a_known_one(client):
    answer = await client.post("/api/v1/tasks", json={"title": "t"}, headers={"x-metaqore-sensitivity": "LOW"})
    assert problem(answer) == (400, "sensitivity_unknown")


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/api/v1/projects", "GET, HEAD, POST"),
        (AT, "DELETE, GET, HEAD, PATCH"),
        ("/api/v1/tasks/t", "DELETE, GET, HEAD, PATCH"),
        (f"{AT}/versions/1/content", "GET, HEAD, PUT"),
        ("/api/v1/artifacts/batch", "DELETE, GET, HEAD, PATCH, POST"),
    ],
)
async def test_a_wrong_method_is_told_all_that_work(client, path, allow):
    answer = await client.put(path) if "content" not in path else await client.post(path)
    assert problem(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({}, "patch_unclear", id="nothing"),
        pytest.param({"description": "d", "declarations": {}}, "patch_unclear", id="two commands"),
        pytest.param({"phase": "active"}, "invalid_request", id="its phase"),
        pytest.param({"content_text": "x"}, "invalid_request", id="its body"),
        pytest.param({"provenance": {}}, "invalid_request", id="its provenance"),
    ],
)
async def test_a_patch_changes_what_may_change(client, gate, body, code):
    assert problem(await client.patch(AT, json=body, headers={"if-match": "*"})) == (400, code)
    assert gate.given == []


@pytest.mark.parametrize(
    "body",
    [{"own": True}, {"own": True, "over_warning": True, "why": "w"}, {"why": "w"}, {"propose": True, "why": ""}],
)
async def test_what_only_flexible_projects_know_needs_one_reason(client, body):
    assert problem(await client.post(f"{AT}/activate", json=body)) == (400, "invalid_request")


async def test_a_fault_of_ours_tells_nothing(client, gate):
    gate.refuse = RuntimeError("secret host")
    answer = await client.post("/api/v1/tasks", json={"title": "t"})
    assert problem(answer) == (500, "internal")
    assert "secret" not in answer.text


async def test_health_still_tells(client):
    assert (await client.get("/api/v1/health")).json()["status"] == "ready"
