"""Tasks published on the topic, results read from the other."""

import asyncio
import json
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from metaqore_governance_core.receipts import parse_token
from running_mesh import eventually

REQUESTS, RESULTS = "metaqore.task.requests.v1", "metaqore.task.results.v1"
DEAD = "metaqore.task.requests.v1.ai-gateway.dlq"


class Door:
    def __init__(self, mesh):
        self.mesh = mesh
        self.source = f"test-{uuid.uuid4()}"

    async def send(self, *tasks, key=None, drop=(), value=None):
        """Publishes tasks (dicts) with ids 0, 1, …; `drop` leaves headers out; `value` is sent as it is."""
        async with AIOKafkaProducer(bootstrap_servers=self.mesh.endpoints["kafka"]) as producer:
            for number, task in enumerate(tasks or (value,)):
                headers = {
                    "authorization": f"Bearer {key or self.mesh.api_key}",
                    "ce_specversion": "1.0",
                    "ce_type": "metaqore.task.submitted.v1",
                    "ce_source": self.source,
                    "ce_id": str(number),
                }
                raw = [(name, text.encode()) for name, text in headers.items() if name not in drop]
                body = task if isinstance(task, bytes) or task is None else json.dumps(task).encode()
                await producer.send_and_wait(REQUESTS, body, headers=raw, key=self.source.encode())

    async def results(self, count, within_s=60):
        """The first `count` results of this source, by request id: (result, headers)."""
        found = []
        consumer = AIOKafkaConsumer(
            RESULTS, bootstrap_servers=self.mesh.endpoints["kafka"], auto_offset_reset="earliest"
        )
        async with consumer, asyncio.timeout(within_s):
            async for message in consumer:
                result = json.loads(message.value)
                if result["request"]["source"] == self.source:
                    found.append((result, dict(message.headers)))
                    if len(found) == count:
                        break
        return found


@pytest.fixture
def door(mesh):
    return Door(mesh)


async def test_a_task_gets_a_result_with_its_receipt(door):
    await door.send({"prompt": "What is the capital of Italy?", "max_tokens": 8})
    [(result, headers)] = await door.results(1)
    assert result["state"] == "done"
    assert result["answer"]
    assert 0 < result["usage"]["completion_tokens"] <= 8
    assert parse_token(headers["ce_metaqorereceipt"].decode()).id == result["receipt"]
    assert headers["ce_type"] == b"metaqore.task.completed.v1"


async def test_what_is_refused_gets_a_result_with_the_reason(door):
    await door.send(
        {"prompt": "key AKIAQ3EGRZYXN5PMK7VW"},
        {"prompt": "Hi", "model": "gpt-unknown"},
        {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "unknown_field": True},
    )
    results = {result["request"]["id"]: result for result, _ in await door.results(3)}
    assert (results["0"]["state"], results["0"]["error"]["code"]) == ("denied", "credential_in_prompt")
    assert results["0"]["receipt"]
    assert (results["1"]["state"], results["1"]["error"]["code"]) == ("failed", "model_not_found")
    assert results["2"]["state"] == "done"


async def test_a_bad_key_gets_a_result_and_no_receipt(door):
    await door.send({"prompt": "Hi"}, key="mq_wrong")
    [(result, _)] = await door.results(1)
    assert result["error"]["code"] == "unauthenticated" or "key" in result["error"]["code"]
    assert not result["receipt"]


async def test_a_repeat_is_one_task_with_one_result_sent_again(door, mesh):
    task = {"prompt": "Name a river.", "max_tokens": 5}
    await door.send(task)
    [(first, _)] = await door.results(1)
    await door.send(task)
    (_, _), (again, _) = await door.results(2)
    assert again == first
    await asyncio.sleep(1)
    tail = mesh.run("audit", "tail", "-n", "100", "--json").stdout.splitlines()
    records = [record for record in map(json.loads, tail) if record["task"] == first["task"]]
    assert sorted(record["kind"] for record in records) == ["decision", "outcome"]


@pytest.mark.parametrize(
    ("value", "drop"),
    [
        pytest.param(b"{not json", (), id="no JSON"),
        pytest.param(b'{"prompt": "a", "prompt": "b"}', (), id="a duplicate key"),
        pytest.param(b'{"prompt": "\xff"}', (), id="no UTF-8"),
        pytest.param(None, (), id="a null value"),
        pytest.param(b'{"nothing": 1}', (), id="no prompt"),
        pytest.param(b'{"prompt": "Hi"}', ("ce_id",), id="no ce_id"),
        pytest.param(b'{"prompt": "Hi"}', ("ce_source",), id="no ce_source"),
    ],
)
async def test_what_cannot_be_read_as_a_task_is_a_dead_letter_with_its_cause(door, mesh, value, drop):
    await door.send(value=value, drop=drop)
    consumer = AIOKafkaConsumer(DEAD, bootstrap_servers=mesh.endpoints["kafka"], auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(60):
        async for message in consumer:
            if message.key == door.source.encode():
                break
    headers = dict(message.headers)
    assert message.value == b""  # it may hold a secret: what it was stands at the place that the headers name
    assert "authorization" not in headers
    assert any("code" in name for name in headers)
    await door.send({"prompt": "Hi", "max_tokens": 2})
    assert await door.results(1)


async def test_the_task_is_in_the_list(door, mesh):
    await door.send({"prompt": "Hi", "max_tokens": 2})
    [(result, _)] = await door.results(1)
    shown = eventually(lambda: (t := mesh.json("task", "show", result["task"]))["state"] == "done" and t)
    assert shown["door"] == "kafka"
