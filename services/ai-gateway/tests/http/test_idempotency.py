"""A repeat with the same idempotency key and body gets the first receipt and answer."""

from __future__ import annotations

import asyncio

import pytest
from looking import until

from metaqore_ai_gateway.adapters.provider_errors import failed
from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.entrypoints import http_kept


@pytest.mark.parametrize("stream", [False, True])
async def test_a_repeat_gets_the_same_answer_and_receipt(gateway, stream):
    first = await gateway.chat({"stream": stream}, idempotency_key="k1")
    again = await gateway.chat({"stream": stream}, idempotency_key="k1")
    assert again.content == first.content
    assert again.headers["x-metaqore-receipt"] == first.headers["x-metaqore-receipt"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(gateway.provider.calls) == 1
    assert len(await gateway.records()) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_repeat_has_its_own_request_id_and_the_first_ones_is_not_kept(gateway, stream):
    await gateway.chat({"stream": stream}, idempotency_key="k1", x_request_id="first")
    again = await gateway.chat({"stream": stream}, idempotency_key="k1", x_request_id="second")
    assert again.headers.get_list("x-request-id") == ["second"]
    assert "first" not in str(gateway.idempotency.held)


async def test_a_denial_is_repeated_too(gateway):
    first = await gateway.chat(key="key-intern", idempotency_key="k1")
    again = await gateway.chat(key="key-intern", idempotency_key="k1")
    assert (first.status_code, again.status_code) == (403, 403)
    assert again.headers["x-metaqore-receipt"] == first.headers["x-metaqore-receipt"]


@pytest.mark.parametrize("stream", [False, True])
async def test_nobody_gets_what_another_callers_key_led_to(gateway, stream):
    """A repeat is not decided upon, so it would pass a model's answer to who may not use that model."""
    await gateway.chat({"stream": stream}, idempotency_key="k1")
    other = await gateway.chat({"stream": stream}, key="key-intern", idempotency_key="k1")
    assert (other.status_code, other.json()["error"]["code"]) == (403, "allowpath_forbidden")


async def test_another_body_is_a_422(gateway):
    await gateway.chat(idempotency_key="k1")
    response = await gateway.chat({"temperature": 1}, idempotency_key="k1")
    assert (response.status_code, response.json()["error"]["code"]) == (422, "idempotency_body_differs")


async def test_while_the_first_runs_it_is_a_409(gateway):
    more = asyncio.Event()
    gateway.provider.script = [more, b"{}", Usage()]
    asking = asyncio.create_task(gateway.chat(idempotency_key="k1"))
    await gateway.provider.called.wait()
    response = await gateway.chat(idempotency_key="k1")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "idempotency_in_flight")
    more.set()
    assert (await asking).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_repeat_may_mend_is_not_kept(gateway, stream):
    script = gateway.provider.script
    gateway.provider.script = [*([b"{}"] if stream else []), failed()]
    await gateway.chat({"stream": stream}, idempotency_key="k1")
    gateway.provider.script = script
    response = await gateway.chat({"stream": stream}, idempotency_key="k1")
    assert response.status_code == 200
    assert "idempotent-replayed" not in response.headers


@pytest.mark.parametrize("stream", [False, True])
async def test_who_has_read_that_it_failed_is_not_told_that_it_runs(gateway, stream, monkeypatch):
    release = gateway.idempotency.release

    async def slowly(organization, key):
        await asyncio.sleep(0.1)
        await release(organization, key)

    monkeypatch.setattr(gateway.idempotency, "release", slowly)
    gateway.provider.script = [*([b"{}"] if stream else []), failed()]
    for _ in range(2):
        response = await gateway.chat({"stream": stream}, idempotency_key="k1")
        assert "provider_failed" in response.text


async def test_an_error_leaves_where_its_key_cannot_be_freed(gateway, monkeypatch):
    monkeypatch.setattr(http_kept, "RELEASE_S", 0.1)
    monkeypatch.setattr(gateway.idempotency, "release", lambda *_: asyncio.sleep(60))
    gateway.provider.script = [failed()]
    assert (await gateway.chat(idempotency_key="k1")).status_code == 502


async def test_what_its_client_left_is_not_kept(gateway):
    gateway.provider.script = [asyncio.Event()]
    asking = asyncio.create_task(gateway.chat(idempotency_key="k1"))
    await gateway.provider.called.wait()
    asking.cancel()
    await asyncio.wait_for(gateway.provider.left.wait(), 30)
    await until(lambda: gateway.idempotency.held == {})


async def test_a_key_belongs_to_its_organization_and_is_optional(gateway):
    await gateway.chat()
    assert gateway.idempotency.held == {}
