"""What bad input gets: a status, a code, a sentence, in OpenAI's shape, and no record."""

from __future__ import annotations

import asyncio
import json

import pytest
from prometheus_client import REGISTRY


def error_of(response, status):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert error["message"].endswith(".")
    assert "Traceback" not in response.text
    assert "my prompt" not in response.text
    assert "x-metaqore-receipt" not in response.headers
    return error


async def test_a_credential_for_a_project_is_in_no_record(gateway):
    response = await gateway.chat(X_MetaQore_Project="AKIA" + "IOSFODNN7EXAMPLE")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "credential_in_prompt")
    decision, outcome = await gateway.records()
    assert (decision["verdict"], decision["project"], outcome["state"]) == ("deny", None, "denied")


def refusals(code):
    labels = {"door": "rest", "code": code}
    return REGISTRY.get_sample_value("metaqore_gateway_requests_refused_total", labels) or 0


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "invalid_json", id="nothing"),
        pytest.param(b"{", "invalid_json", id="cut off"),
        pytest.param(b"[]", "invalid_json", id="a list"),
        pytest.param(b'{"model":"m","model":"n","messages":[]}', "duplicate_key", id="duplicate key"),
        pytest.param(b'{"model":"m","messages":[{"role":"user","role":"x"}]}', "duplicate_key", id="one deep inside"),
        pytest.param(b'{"model":"\xff"}', "invalid_utf8", id="invalid UTF-8"),
        pytest.param(b'{"model":"m","x":NaN}', "invalid_json", id="NaN"),
        pytest.param(b'{"model":"m","x":1e400}', "number_out_of_range", id="infinite"),
        pytest.param(
            b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}', "invalid_unicode", id="surrogate"
        ),
        pytest.param(b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "nested_too_deep", id="nested 20,000 times"),
        pytest.param(b'{"x":' + b"[" * 70 + b"]" * 70 + b"}", "nested_too_deep", id="nested 70 times"),
        pytest.param(b'{"messages":[{"role":"user","content":"my prompt"}]}', "model_missing", id="no model"),
        pytest.param(b'{"model":"m","messages":[]}', "messages_empty", id="no messages"),
        pytest.param(b'{"model":"m","messages":"my prompt"}', "messages_empty", id="messages of another type"),
        pytest.param(b'{"model":"m","messages":[{"role":"user","content":1}]}', "invalid_type", id="wrong type"),
    ],
)
async def test_a_body_that_is_no_chat_request_is_a_400(gateway, content, code):
    before = refusals(code)
    assert error_of(await gateway.chat(content=content), 400)["code"] == code
    assert refusals(code) == before + 1
    assert await gateway.records() == []


async def test_the_field_is_named(gateway):
    error = error_of(await gateway.chat({"messages": []}), 400)
    assert (error["param"], error["type"]) == ("messages", "invalid_request_error")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": None}, 401, "missing_api_key"),
        ({"authorization": "Bearer nobody's"}, 401, "invalid_api_key"),
        ({"authorization": "Basic a2V5LWFsaWNl"}, 401, "missing_api_key"),
        ({"authorization": "Bearer key-reader"}, 403, "missing_scope"),
        ({"content_type": "text/plain"}, 415, "unsupported_media_type"),
        ({"content_type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ({"x_metaqore_sensitivity": "SECRET"}, 400, "sensitivity_unknown"),
        ({"x_metaqore_project": "a b"}, 400, "project_invalid"),
        ({"x_metaqore_deadline": "soon"}, 400, "deadline_invalid"),
        ({"x_metaqore_deadline": "nan"}, 400, "deadline_invalid"),
        ({"x_metaqore_deadline": "0"}, 504, "deadline_exceeded"),
        ({"x_metaqore_deadline": "-1"}, 504, "deadline_exceeded"),
        ({"idempotency_key": "x" * 300}, 400, "invalid_idempotency_key"),
    ],
)
async def test_headers_that_will_not_do(gateway, headers, status, code):
    assert error_of(await gateway.chat(**headers), status)["code"] == code
    assert await gateway.records() == []


async def test_an_unknown_model_is_a_404(gateway):
    error = error_of(await gateway.chat({"model": "nobody's"}), 404)
    assert error["code"] == "model_not_found"
    assert error["message"] == "There is no such model here. This key may use: m, org/other."


async def test_models_that_a_caller_may_not_use_are_not_named(gateway):
    error = error_of(await gateway.chat({"model": "nobody's"}, key="key-intern"), 404)
    assert error["message"] == "There is no such model here. This key may use: org/other."


async def test_a_charset_is_no_other_type(gateway):
    assert (await gateway.chat(content_type="application/json; charset=utf-8")).status_code == 200


async def test_a_body_too_large_is_refused_by_its_announcement(gateway):
    assert error_of(await gateway.chat(content=b" " * 100_001), 413)["code"] == "body_too_large"


async def test_and_while_it_is_read(gateway):
    sent = 0

    async def endless():
        nonlocal sent
        while sent < 50_000_000:
            sent += 10_000
            yield b" " * 10_000

    response = await gateway.chat(content=endless())
    assert error_of(response, 413)["code"] == "body_too_large"


async def test_the_largest_body_is_taken(gateway):
    body = json.dumps(gateway.body()).encode()
    assert (await gateway.chat(content=body + b" " * (100_000 - len(body)))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/v1/models/m", 405, "method_not_allowed"),
        ("POST", "/v1/embeddings", 404, "path_not_found"),
        ("GET", "/v1", 404, "path_not_found"),
        ("GET", "/v1/models/nobody's", 404, "model_not_found"),
        ("GET", "/elsewhere", 404, "path_not_found"),
    ],
)
async def test_other_paths_and_methods(gateway, method, path, status, code):
    response = await gateway.client.request(method, path, headers={"authorization": "Bearer key-alice"})
    assert error_of(response, status)["code"] == code
    assert ("allow" in response.headers) == (status == 405)


async def test_the_head_of_the_models_is_theirs_without_the_body(gateway):
    key = {"authorization": "Bearer key-alice"}
    whole = await gateway.client.get("/v1/models", headers=key)
    bare = await gateway.client.head("/v1/models", headers=key)
    assert (bare.status_code, bare.content) == (200, b"")
    assert bare.headers["content-length"] == whole.headers["content-length"] == str(len(whole.content))


async def test_a_missing_key_says_how_to_send_one(gateway):
    response = await gateway.chat(authorization=None)
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_what_is_not_http_gets_a_400(gateway):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"\x00\x01\x02 nonsense\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_the_deadline_of_a_task_is_kept_from_the_door_to_the_provider(gateway):
    before = asyncio.get_running_loop().time()
    await gateway.chat(x_metaqore_deadline="7")
    assert 6 < gateway.provider.calls[0].deadline - before < 8
