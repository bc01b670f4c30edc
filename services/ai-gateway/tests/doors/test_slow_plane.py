import pytest
from looking import until
from prometheus_client import REGISTRY

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = {"model": "stub", "messages": [{"role": "user", "content": "hello"}]}
PROBLEM = "application/problem+json"


@pytest.fixture
def bearer(gateway):
    return {"authorization": f"Bearer {gateway.key}"}


async def test_a_task_is_listed_and_found(gateway, bearer):
    async with gateway.http(headers=bearer) as client:
        task = (await client.post("/v1/chat/completions", json=CHAT)).headers["x-metaqore-task-id"]

        async def newest():
            page = (await client.get("/api/v1/tasks", params={"page_size": 1, "state": "done"})).json()
            return page if [one["id"] for one in page["tasks"]] == [task] else None

        page = await until(newest)
        assert page["next_page_token"] or len(page["tasks"]) == 1
        found = (await client.get(f"/api/v1/tasks/{task}")).json()
    assert (found["state"], found["door"], found["prompt_tokens"]) == ("done", "rest", 3)
    assert "hello" not in str(found)


async def test_another_key_header_does_too(gateway):
    async with gateway.http(headers={"x-api-key": gateway.key}) as client:
        assert (await client.get("/api/v1/tasks")).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        pytest.param("/api/v1/tasks/none", 404, "task_not_found", id="no such task"),
        pytest.param("/api/v1/tasks?colour=red", 400, "invalid_request", id="an unknown parameter"),
        pytest.param("/api/v1/tasks/none?colour=red", 400, "invalid_request", id="one beside an id"),
        pytest.param("/api/v1/health?deep=1", 400, "invalid_request", id="one for health"),
        pytest.param("/api/v1/tasks?page_size=0", 400, "invalid_request", id="an empty page"),
        pytest.param("/api/v1/tasks?page_size=1001", 400, "invalid_request", id="a page too large"),
        pytest.param("/api/v1/tasks?state=lost", 400, "invalid_request", id="no such state"),
        pytest.param("/api/v1/tasks?page_token=zzz", 400, "invalid_page_token", id="a made-up token"),
        pytest.param("/api/v1/nothing", 404, "path_not_found", id="nothing there"),
        pytest.param("/", 404, "path_not_found", id="the root"),
    ],
)
async def test_errors_are_problem_details(gateway, bearer, path, status, code):
    async with gateway.http(headers=bearer) as client:
        answer = await client.get(path)
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert (body["status"], body["code"]) == (status, code)
    assert body["instance"] == path.partition("?")[0]
    assert {"type", "title", "detail", "retryable"} <= body.keys()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({}, "missing_api_key", id="no key"),
        pytest.param({"authorization": "Bearer mq_x"}, "invalid_api_key", id="an unknown one"),
        pytest.param({"authorization": "Basic eDp5"}, "missing_api_key", id="another scheme"),
    ],
)
async def test_tasks_need_a_key(gateway, headers, code):
    async with gateway.http(headers=headers) as client:
        answer = await client.get("/api/v1/tasks")
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert "Bearer" in answer.headers["www-authenticate"]


async def test_a_wrong_method_says_so(gateway, bearer):
    async with gateway.http(headers=bearer) as client:
        answer = await client.delete("/api/v1/tasks")
    assert (answer.status_code, answer.json()["code"], answer.headers["content-type"]) == (
        405,
        "method_not_allowed",
        PROBLEM,
    )
    assert answer.headers["allow"] == "GET, HEAD, POST"


async def test_health_names_the_checks(gateway):
    async with gateway.http() as client:
        answer = await client.get("/api/v1/health")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["checks"]["spool"]) == ("ready", "ok")
    assert answer.json()["notices"].keys() == {"database", "broker", "keys"}
    assert (answer.json()["notices"]["database"], answer.json()["notices"]["keys"]) == ("ok", "ok")


@pytest.mark.usefixtures("gateway")
async def test_what_stands_beside_health_is_measured():
    assert REGISTRY.get_sample_value("metaqore_gateway_claims_in_work") == 0
    assert 0 <= REGISTRY.get_sample_value("metaqore_gateway_keys_age_seconds") < 60


async def test_the_description_has_both_planes(gateway):
    async with gateway.http() as client:
        document = (await client.get("/openapi.json")).json()
        assert (await client.get("/docs")).status_code == 200
    paths = document["paths"]
    assert {
        "/v1/chat/completions",
        "/v1/models",
        "/api/v1/tasks",
        "/api/v1/tasks/{task_id}",
        "/api/v1/health",
    } <= paths.keys()
    assert {"HTTPBearer", "APIKeyHeader"} <= document["components"]["securitySchemes"].keys()
