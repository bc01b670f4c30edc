"""Tasks, health and the description of the API, on a real port."""

from __future__ import annotations

import re

import httpx
import pytest

from door_tasks import OneDoorTask
from metaqore_ai_gateway.entrypoints.http_server import serve_http
from metaqore_ai_gateway.entrypoints.psmp_rest.door import PsmpDoor
from metaqore_ai_gateway.entrypoints.slow.plane import slow_plane
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller
from metaqore_mesh.health import Health

TASK = "01a1fe8b-88ea-74c5-8a59-b63f784f9b97"
KEYS = {
    "key-alice": Caller("key_1", "org_1", "alice", frozenset(DEFAULT_SCOPES)),
    "key-other": Caller("key_2", "org_2", "other", frozenset(DEFAULT_SCOPES)),
    "key-auditor": Caller("key_3", "org_1", "auditor", frozenset({"audit:read"})),
}


class FixedKeys:
    def find(self, secret):
        return KEYS.get(secret)


class NoProjects:
    async def task(self, _caller, _task, _at):
        raise not_found("task")


@pytest.fixture
def health():
    health = Health()
    health.add_readiness("spool", lambda: None)
    return health


@pytest.fixture
async def client(health):
    tasks = OneDoorTask("org_1", TASK)
    door = PsmpDoor(None, NoProjects(), None, GetTask(tasks), ListTasks(tasks))
    app = slow_plane(keys=FixedKeys(), psmp=door, health=health)
    async with (
        serve_http(app, "127.0.0.1", 0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as made,
    ):
        yield made


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
async def test_an_organization_sees_its_own_tasks_only(client, header):
    def key(name):
        return {header: f"Bearer {name}" if header == "authorization" else name}

    listed = await client.get("/api/v1/tasks", headers=key("key-alice"), params={"page_size": 1})
    assert listed.status_code == 200, listed.text
    assert [task["id"] for task in listed.json()["tasks"]] == [TASK]
    assert (await client.get(f"/api/v1/tasks/{TASK}", headers=key("key-alice"))).json()["state"] == "done"
    assert (await client.get("/api/v1/tasks", headers=key("key-other"))).json()["tasks"] == []
    assert (await client.get(f"/api/v1/tasks/{TASK}", headers=key("key-other"))).status_code == 404


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("Bearer nobody", 401), ("Bearer key-auditor", 403)])
async def test_who_may_not_read_tasks_is_told_so(client, key, status):
    headers = {} if key is None else {"authorization": key}
    for path in ("/api/v1/tasks", f"/api/v1/tasks/{TASK}"):
        answer = await client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_an_unknown_parameter_is_refused(client):
    answer = await client.get("/api/v1/tasks?organization=org_1", headers={"authorization": "Bearer key-other"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_it_describes_itself(client):
    described = await client.get("/openapi.json")
    assert described.status_code == 200, described.text
    assert {"/v1/chat/completions", "/api/v1/tasks", "/api/v1/tasks/{task_id}"} <= set(described.json()["paths"])
    names = {one["name"] for one in described.json()["paths"]["/api/v1/tasks"]["get"]["parameters"]}
    assert names == {"page_size", "page_token", "state", "project_id", "label", "at"}


async def test_health_tells_what_is_wrong_and_stops_no_task_and_no_cause(client, health):
    health.add_notice("database", lambda: "cannot be reached at secret-host")
    health.add_notice("broker", lambda: None)
    told = await client.get("/api/v1/health")
    assert (told.status_code, told.json()["status"]) == (200, "ready")
    assert told.json()["checks"] == {"spool": "ok"}
    assert told.json()["notices"] == {"database": "degraded", "broker": "ok"}
    assert "secret" not in told.text
    health.add_readiness("spool", lambda: "full")
    told = await client.get("/api/v1/health")
    assert (told.status_code, told.json()["checks"]) == (503, {"spool": "unready"})


async def test_its_page_loads_nothing_from_elsewhere(client):
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "//" not in page.text
    assert not re.search(r"<script(?! src=)|<style|style=", page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "script-src 'self';" in policy
    loaded = {str(page.url.join(path)) for path in re.findall(r'(?:src|href)="([^"]+)"', page.text)}
    assert len(loaded) == 4
    for url in loaded:
        asset = await client.get(url)
        assert (asset.status_code, bool(asset.content)) == (200, True), url
        assert "url(http" not in asset.text
    start = (await client.get("/docs/start.js")).text
    assert "//" not in start
    assert "validatorUrl: null" in start
    assert (await client.get(page.url.join(re.search(r'url: "([^"]+)"', start).group(1)))).json()["openapi"]
