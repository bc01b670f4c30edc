"""Webhooks over REST: who may make one, what is told of it, and what is sent again."""

from __future__ import annotations

import base64
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from webhook_parts import GardenReadings, MemoryWebhooks, recorded

from kept_answers import MemoryIdempotency
from metaqore_ai_gateway.domain.webhook import Attempt, Delivery, DeliveryState, WebhookState
from metaqore_ai_gateway.entrypoints.psmp_rest.webhooks import with_webhooks
from metaqore_ai_gateway.entrypoints.slow.problem import answer_errors
from metaqore_ai_gateway.service.psmp import webhooks
from metaqore_ai_gateway.service.psmp.ids import delivery_id
from metaqore_ai_gateway.service.psmp.watch_hub import WatchHub
from metaqore_ai_gateway.service.psmp.watching import Watching
from metaqore_ai_gateway.service.psmp.webhook_repeats import RepeatedRequests
from metaqore_ai_gateway.service.psmp.webhooks import Webhooks
from metaqore_governance_core.identity import Caller

BOTH = frozenset({"psmp:read", "psmp:write"})
KEYS = {
    "key-ann": Caller("key_1", "acme", "ann", BOTH),
    "key-eve": Caller("key_2", "evil", "eve", BOTH),
    "key-reader": Caller("key_3", "acme", "reader", frozenset({"psmp:read"})),
    "key-writer": Caller("key_4", "acme", "writer", frozenset({"psmp:write"})),
}
URL = "https://ci.example.com/hook"


@pytest.fixture
def store():
    return MemoryWebhooks()


@pytest.fixture
def kept():
    return MemoryIdempotency()


@pytest.fixture
async def client(store, kept, secrets_of, relayed):
    readings = GardenReadings(relayed)
    ids = iter(f"{at:02}" for at in range(1, 1000))
    made = Webhooks(
        store,
        RepeatedRequests(kept, secrets_of),
        secrets_of,
        readings,
        Watching(WatchHub(), readings).check,
        recorded,
        ("127.0.0.1:9000",),
        now_us=lambda: 5_000,
        new_id=lambda: next(ids),
    )
    app = FastAPI()
    app.state.keys = SimpleNamespace(find=KEYS.get)
    app.state.psmp = SimpleNamespace(limits=SimpleNamespace(body_bytes=10_000))
    with_webhooks(app, made)
    answer_errors(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        client.headers["authorization"] = "Bearer key-ann"
        yield client


def key(name):
    return {"authorization": f"Bearer key-{name}"}


async def made(client, **fields):
    answer = await client.post("/api/v1/webhooks", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    assert answer.headers["x-metaqore-receipt-id"] == "psmp.webhook.create"
    return answer.json()


async def test_a_webhook_is_made_and_its_secret_shown_once(client, store):
    answer = await client.post(
        "/api/v1/webhooks",
        json={
            "url": URL,
            "project_ids": ["garden", "garden"],
            "aggregate": "artifact",
            "aggregate_id": "artifact_1",
            "names": ["artifact.Activated"],
            "description": "CI",
        },
    )
    told = answer.json()
    secret = told.pop("secret")
    assert answer.status_code == 201
    assert answer.headers["location"] == "/api/v1/webhooks/webhook_01"
    assert answer.headers["cache-control"] == "no-store"
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert told == {
        "id": "webhook_01",
        "url": URL,
        "description": "CI",
        "project_ids": ["garden"],
        "aggregate": "artifact",
        "aggregate_id": "artifact_1",
        "names": ["artifact.Activated"],
        "state": "active",
        "reason": None,
        "by": "ann",
        "created_us": 1_700,
    }
    assert (await client.get("/api/v1/webhooks/webhook_01")).json() == told
    assert (await client.get("/api/v1/webhooks")).json() == {"webhooks": [told], "next_page_token": ""}
    assert store.webhooks["acme", "webhook_01"].secret.endswith(base64.b64decode(secret.removeprefix("whsec_")))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"url": URL, "secret": "mine"}, 400, "invalid_request"),
        ({"url": URL, "aggregate": "planet"}, 400, "invalid_request"),
        ({"url": URL, "project_ids": [""]}, 400, "invalid_request"),
        ({"url": URL, "description": "\x00"}, 400, "invalid_request"),
        ({"url": URL, "names": ["artifact.Activated"] * 201}, 400, "invalid_request"),
        ({"url": URL, "names": ["artifact.Praised"]}, 400, "event_name_unknown"),
        ({"url": URL, "project_ids": ["desert"]}, 404, "project_not_found"),
        ({"url": "http://ci.example.com/"}, 400, "webhook_target_forbidden"),
        ({"url": "https://169.254.169.254/"}, 400, "webhook_target_forbidden"),
        ({"url": "https://a:b@example.com/"}, 400, "webhook_target_invalid"),
        ({"url": "https://exam\nple.com/"}, 400, "webhook_target_invalid"),
    ],
)
async def test_what_is_no_webhook_is_refused(client, store, body, status, code):
    answer = await client.post("/api/v1/webhooks", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert store.webhooks == {}


async def test_what_the_operator_allows_may_be_anywhere(client):
    assert (await made(client, url="http://127.0.0.1:9000/hook"))["url"] == "http://127.0.0.1:9000/hook"


async def test_there_are_only_so_many(client, monkeypatch):
    monkeypatch.setattr(webhooks, "MOST_WEBHOOKS", 1)
    await made(client)
    answer = await client.post("/api/v1/webhooks", json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_webhooks")


@pytest.mark.parametrize(("who", "missing"), [("reader", "psmp:write"), ("writer", "psmp:read")])
async def test_whoever_makes_one_may_read_and_write(client, who, missing):
    await made(client)
    for method, path, body, receipt in (
        ("POST", "/api/v1/webhooks", {"url": URL}, "psmp.webhook.create"),
        ("DELETE", "/api/v1/webhooks/webhook_01", None, "psmp.webhook.delete webhook:webhook_01"),
        (
            "POST",
            "/api/v1/webhooks/webhook_01/replay",
            {"after_event_id": "garden@0"},
            "psmp.webhook.replay webhook:webhook_01",
        ),
    ):
        answer = await client.request(method, path, json=body, headers=key(who))
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
        assert answer.json()["reasons"] == [missing]
        assert answer.headers["x-metaqore-receipt-id"] == receipt
    reading = await client.get("/api/v1/webhooks/webhook_01/deliveries", headers=key(who))
    assert reading.status_code == (200 if who == "reader" else 403)


async def test_another_organization_s_are_not_there(client, store):
    await made(client)
    for method, path, body in (
        ("GET", "/api/v1/webhooks/webhook_01", None),
        ("DELETE", "/api/v1/webhooks/webhook_01", None),
        ("GET", "/api/v1/webhooks/webhook_01/deliveries", None),
        ("POST", "/api/v1/webhooks/webhook_01/replay", {"delivery_id": "delivery_1"}),
        ("POST", "/api/v1/webhooks/webhook_01/replay", {"after_event_id": "garden@0"}),
    ):
        answer = await client.request(method, path, json=body, headers=key("eve"))
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found"), path
    assert (await client.get("/api/v1/webhooks", headers=key("eve"))).json()["webhooks"] == []
    assert store.webhooks
    assert (await client.get("/api/v1/webhooks", headers={"authorization": ""})).status_code == 401


async def test_pages_follow_one_another(client):
    for _ in range(5):
        await made(client)
    token, found = "", []
    for _ in range(3):
        answer = await client.get("/api/v1/webhooks", params={"page_size": 2, "page_token": token})
        page = answer.json()
        token = page["next_page_token"]
        found += [one["id"] for one in page["webhooks"]]
    assert found == [f"webhook_0{at}" for at in range(1, 6)]
    assert not token
    for wrong in ("!", "AAAA", "Zm9vCmJhcg"):
        answer = await client.get("/api/v1/webhooks/webhook_01/deliveries", params={"page_token": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_page_token")


async def test_a_page_token_is_of_the_list_that_gave_it(client, store):
    await made(client)
    await made(client)
    store.kept = [delivery(1), delivery(2)]
    path = "/api/v1/webhooks/webhook_01/deliveries"
    token = (await client.get("/api/v1/webhooks", params={"page_size": 1})).json()["next_page_token"]
    sent = (await client.get(path, params={"page_size": 1})).json()["next_page_token"]
    for asked, params, headers in (
        ("/api/v1/webhooks", {"page_token": token}, key("eve")),
        (path, {"page_token": token}, {}),
        (path, {"page_token": sent, "state": "waiting"}, {}),
        (path.replace("_01", "_02"), {"page_token": sent}, {}),
    ):
        answer = await client.get(asked, params=params, headers=headers)
        assert (answer.status_code, answer.json().get("code")) == (400, "invalid_page_token"), (asked, params)


async def test_a_deleted_one_is_gone(client):
    await made(client)
    assert (await client.delete("/api/v1/webhooks/webhook_01")).status_code == 204
    assert (await client.delete("/api/v1/webhooks/webhook_01")).status_code == 404
    assert (await client.get("/api/v1/webhooks/webhook_01")).json()["code"] == "webhook_not_found"


def delivery(version, state=DeliveryState.DELIVERED, attempts=()):
    id_ = delivery_id("acme", "webhook_01", "garden", version)
    return Delivery(
        id_, "webhook_01", "garden", version, "artifact.Rejected", state, attempts, len(attempts), 99, version, 100
    )


async def test_the_log_tells_what_came_of_each_and_holds_no_bodies(client, store):
    await made(client)
    store.kept = [
        delivery(1),
        delivery(2, DeliveryState.WAITING, (Attempt(10, 20, 500, "refused"), Attempt(30, 5, None, "target_timeout"))),
        delivery(3),
    ]
    first = (await client.get("/api/v1/webhooks/webhook_01/deliveries", params={"page_size": 2})).json()
    assert [one["event_id"] for one in first["deliveries"]] == ["garden@3", "garden@2"]
    waiting = first["deliveries"][1]
    assert waiting == {
        "id": delivery_id("acme", "webhook_01", "garden", 2),
        "event_id": "garden@2",
        "project_id": "garden",
        "name": "artifact.Rejected",
        "state": "waiting",
        "attempts": [
            {"at_us": 10, "duration_us": 20, "status": 500, "error": "refused"},
            {"at_us": 30, "duration_us": 5, "status": None, "error": "target_timeout"},
        ],
        "due_us": 99,
        "created_us": 2,
        "ended_us": 100,
    }
    query = {"page_size": 2, "page_token": first["next_page_token"]}
    rest = (await client.get("/api/v1/webhooks/webhook_01/deliveries", params=query)).json()
    assert ([one["event_id"] for one in rest["deliveries"]], rest["next_page_token"]) == (["garden@1"], "")
    only = (await client.get("/api/v1/webhooks/webhook_01/deliveries", params={"state": "waiting"})).json()
    assert [one["event_id"] for one in only["deliveries"]] == ["garden@2"]


async def test_a_delivery_can_be_sent_again(client, store):
    await made(client)
    store.kept = [delivery(4)]
    answer = await client.post("/api/v1/webhooks/webhook_01/replay", json={"delivery_id": store.kept[0].id})
    assert (answer.status_code, answer.json()) == (202, {"count": 1, "last_event_id": "garden@4", "more": False})
    assert store.again == [("acme", "webhook_01", [("garden", 4, "artifact.Rejected")], 5_000)]
    missing = await client.post("/api/v1/webhooks/webhook_01/replay", json={"delivery_id": "delivery_x"})
    assert (missing.status_code, missing.json()["code"]) == (404, "delivery_not_found")


async def test_what_came_behind_an_event_can_be_sent_again_in_parts(client, store, monkeypatch):
    monkeypatch.setattr(webhooks, "MOST_REPLAYED", 4)
    await made(client)
    path = "/api/v1/webhooks/webhook_01/replay"
    first = (await client.post(path, json={"after_event_id": "garden@2"})).json()
    assert first == {"count": 4, "last_event_id": "garden@6", "more": True}
    rest = (await client.post(path, json={"after_event_id": first["last_event_id"]})).json()
    assert rest == {"count": 3, "last_event_id": "garden@9", "more": False}
    assert [version for _, _, events, _ in store.again for _, version, _ in events] == [3, 4, 5, 6, 7, 8, 9]


ONCE = {"idempotency-key": "k-1"}


async def test_a_repeat_makes_no_second_webhook_and_is_told_the_same(client, store, kept):
    first = await client.post("/api/v1/webhooks", json={"url": URL}, headers=ONCE)
    again = await client.post("/api/v1/webhooks", json={"url": URL}, headers=ONCE)
    assert (first.status_code, again.status_code, len(store.webhooks)) == (201, 201, 1)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    names = ("location", "cache-control", "content-type", "x-metaqore-receipt", "x-metaqore-receipt-id")
    assert {name: again.headers[name] for name in names} == {name: first.headers[name] for name in names}
    other = await client.post("/api/v1/webhooks", json={"url": f"{URL}/2"}, headers=ONCE)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_body_differs")
    ((_, answer),) = kept.held.values()
    assert answer.body.startswith(b"acme/webhooks:")  # sealed: the secret is in it


async def test_another_s_key_is_another_key(client):
    mine = await client.post("/api/v1/webhooks", json={"url": URL}, headers=ONCE)
    theirs = await client.post("/api/v1/webhooks", json={"url": URL}, headers=ONCE | key("eve"))
    assert mine.json()["id"] != theirs.json()["id"]
    refused = await client.post("/api/v1/webhooks", json={"url": URL}, headers=ONCE | key("reader"))
    assert refused.json()["code"] == "missing_scope"
    wrong = await client.post("/api/v1/webhooks", json={"url": URL}, headers={"idempotency-key": "é".encode("latin-1")})
    assert wrong.json()["code"] == "invalid_idempotency_key"


async def test_what_was_made_before_a_crash_is_told_by_the_repeat(client, store, kept):
    first = await client.post("/api/v1/webhooks", json={"url": URL}, headers=ONCE)
    kept.held.clear()  # the answer was never kept, and the restart has freed the key
    again = await client.post("/api/v1/webhooks", json={"url": URL}, headers=ONCE)
    assert (again.json(), len(store.webhooks)) == (first.json(), 1)
    kept.held.clear()
    another = await client.post("/api/v1/webhooks", json={"url": f"{URL}/2"}, headers=ONCE)
    assert (another.status_code, len(store.webhooks)) == (201, 2)


async def test_a_refusal_frees_the_key(client, kept):
    refused = await client.post("/api/v1/webhooks", json={"url": "http://ci.example.com/"}, headers=ONCE)
    assert (refused.status_code, kept.held) == (400, {})
    assert (await client.post("/api/v1/webhooks", json={"url": URL}, headers=ONCE)).status_code == 201


async def test_a_replay_is_repeated_without_being_sent_again(client, store):
    await made(client)
    path = "/api/v1/webhooks/webhook_01/replay"
    first = await client.post(path, json={"after_event_id": "garden@2"}, headers=ONCE)
    again = await client.post(path, json={"after_event_id": "garden@2"}, headers=ONCE)
    assert (first.status_code, again.status_code, len(store.again)) == (202, 202, 1)
    assert again.json() == first.json()


async def test_only_what_it_wants_is_sent_again(client, store):
    await made(client, names=["artifact.Activated"])
    answer = await client.post("/api/v1/webhooks/webhook_01/replay", json={"after_event_id": "garden@0"})
    assert answer.json() == {"count": 0, "last_event_id": "garden@9", "more": False}
    assert store.again[0][2] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"delivery_id": "delivery_1", "after_event_id": "garden@1"}, 400, "invalid_request"),
        ({"after_event_id": "garden"}, 404, "event_unknown"),
        ({"after_event_id": "garden@99"}, 404, "event_unknown"),
        ({"after_event_id": "desert@1"}, 404, "event_unknown"),
    ],
)
async def test_what_cannot_be_sent_again(client, store, body, status, code):
    await made(client)
    answer = await client.post("/api/v1/webhooks/webhook_01/replay", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert store.again == []


async def test_why_it_is_disabled_is_told(client, store):
    await made(client)
    found = store.webhooks["acme", "webhook_01"]
    store.webhooks["acme", "webhook_01"] = replace(found, state=WebhookState.DISABLED, reason="gone")
    told = (await client.get("/api/v1/webhooks/webhook_01")).json()
    assert (told["state"], told["reason"]) == ("disabled", "gone")
