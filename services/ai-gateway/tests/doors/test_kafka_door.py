import asyncio
import json

import pytest

from metaqore_governance_core.contracts.tasks import TaskCompleted
from metaqore_governance_core.contracts.topics import TASK_LIFECYCLE, TASK_RESULTS
from metaqore_governance_core.receipts import parse_token

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEAD = "metaqore.task.requests.v1.ai-gateway.dlq"
PROMPT = json.dumps({"prompt": "hello"}).encode()


async def results(gateway, source, count, topic=TASK_RESULTS):
    """The first results for `source`: (record, headers, value)."""
    found = []
    async with gateway.reading(topic) as consumer, asyncio.timeout(60):
        async for record in consumer:
            headers = dict(record.headers)
            if headers.get("ce_requestsource") == source.encode():
                found.append((record, headers, json.loads(record.value)))
                if len(found) == count:
                    break
    return found


async def dead_letter(gateway, key):
    async with gateway.reading(DEAD) as consumer, asyncio.timeout(60):
        async for record in consumer:
            if record.key == key:
                break
    return record


async def test_a_task_gets_its_result_under_its_own_key(gateway, submitted):
    await gateway.publish((PROMPT, submitted.headers(gateway), b"mine"))
    [(record, headers, value)] = await results(gateway, submitted.source, 1)
    result = TaskCompleted.model_validate(value)
    assert (record.key, result.state, result.answer, result.attempts) == (b"mine", "done", "hello there", 1)
    assert result.usage.total_tokens == 5
    assert headers["ce_id"] == headers["ce_subject"] == result.task.encode()
    assert headers["ce_requestid"] == b"1"
    assert parse_token(headers["ce_metaqorereceipt"].decode()).id == result.receipt
    assert headers["ce_metaqorereceipt"].decode() == result.receipt_token
    assert [record.kind for record in gateway.records_of(result.task)] == ["decision", "outcome"]


async def test_a_result_has_the_source_as_its_key_where_the_task_had_none(gateway, submitted):
    await gateway.publish((PROMPT, submitted.headers(gateway), None))
    [(record, _, _)] = await results(gateway, submitted.source, 1)
    assert record.key == submitted.source.encode()


async def test_many_tasks_get_one_result_each(gateway, submitted):
    tasks = [(PROMPT, submitted.headers(gateway, str(number)), b"%d" % number) for number in range(200)]
    await gateway.publish(*tasks)
    found = await results(gateway, submitted.source, 200)
    assert {headers["ce_requestid"] for _, headers, _ in found} == {b"%d" % number for number in range(200)}
    assert {value["state"] for *_, value in found} == {"done"}


async def test_a_task_that_comes_again_gets_the_same_result_again(gateway, submitted):
    calls = gateway.provider.calls
    for _ in range(2):
        await gateway.publish((PROMPT, submitted.headers(gateway), None))
        await asyncio.sleep(1)
    (first, first_headers, _), (again, again_headers, _) = await results(gateway, submitted.source, 2)
    assert (first.value, first_headers["ce_id"]) == (again.value, again_headers["ce_id"])
    assert gateway.provider.calls == calls + 1


@pytest.mark.parametrize(
    ("value", "changes", "ended"),
    [
        pytest.param(PROMPT, {"authorization": None}, ("failed", "missing_api_key"), id="no key"),
        pytest.param(PROMPT, {"authorization": "Bearer mq_x"}, ("failed", "invalid_api_key"), id="bad key"),
        pytest.param(b'{"prompt":"a","model":"none"}', {}, ("failed", "model_not_found"), id="unknown model"),
        pytest.param(b'{"prompt":"AKIAQ3EGRZYXN5PMK7VW"}', {}, ("denied", "credential_in_prompt"), id="a credential"),
    ],
)
async def test_what_is_refused_is_answered(gateway, submitted, value, changes, ended):
    await gateway.publish((value, submitted.headers(gateway, **changes), None))
    [(_, headers, result)] = await results(gateway, submitted.source, 1)
    assert (result["state"], result["error"]["code"]) == ended
    assert ("ce_metaqorereceipt" in headers) == bool(result["receipt"]) == (ended[0] == "denied")


@pytest.mark.parametrize(
    ("value", "changes", "code"),
    [
        pytest.param(b"{no", {}, "invalid_json", id="no JSON"),
        pytest.param(b'{"prompt":"a","prompt":"b"}', {}, "duplicate_key", id="a repeated key"),
        pytest.param(b'{"prompt":"\xff"}', {}, "invalid_utf8", id="no UTF-8"),
        pytest.param(b"[]", {}, "invalid_json", id="no object"),
        pytest.param(None, {}, "task_missing", id="no value"),
        pytest.param(b"{}", {}, "task_without_question", id="no question"),
        pytest.param(b'{"prompt":"a","messages":[]}', {}, "task_without_question", id="two questions"),
        pytest.param(b'{"messages":[]}', {}, "messages_empty", id="no messages"),
        pytest.param(b'{"prompt":7}', {}, "invalid_type", id="a number for a prompt"),
        pytest.param(b'{"prompt":"a","sensitivity":"LOW"}', {}, "sensitivity_unknown", id="no such sensitivity"),
        pytest.param(PROMPT, {"ce_id": None}, "event_attribute_missing", id="no ce_id"),
        pytest.param(PROMPT, {"ce_source": None}, "event_attribute_missing", id="no ce_source"),
        pytest.param(PROMPT, {"ce_type": None}, "event_attribute_missing", id="no ce_type"),
        pytest.param(PROMPT, {"ce_specversion": None}, "event_attribute_missing", id="no ce_specversion"),
        pytest.param(PROMPT, {"ce_specversion": "0.3"}, "event_version_unknown", id="an old ce_specversion"),
        pytest.param(PROMPT, {"ce_type": "other"}, "event_type_unknown", id="another ce_type"),
        pytest.param(PROMPT, {"ce_id": "a\x00b"}, "event_attribute_invalid", id="a zero in ce_id"),
        pytest.param(PROMPT, {"Authorization": "Bearer other"}, "event_attribute_invalid", id="two keys"),
        pytest.param(PROMPT, {"ce_id": "\U0001f4a9" * 400}, "event_attribute_invalid", id="a long ce_id"),
    ],
)
async def test_what_cannot_be_read_is_dead_with_its_cause(gateway, submitted, value, changes, code):
    key = submitted.source.encode()
    await gateway.publish((value, submitted.headers(gateway, **changes), key))
    headers = dict((await dead_letter(gateway, key)).headers)
    assert headers["dlq_code"] == code.encode()
    assert headers["dlq_value_size_bytes"] == str(len(value or b"")).encode()
    assert "authorization" not in {name.lower() for name in headers}


async def test_good_tasks_beside_a_dead_one_are_done(gateway, submitted):
    records = [(PROMPT, submitted.headers(gateway, str(number)), b"one partition") for number in range(5)]
    records.insert(2, (b"{no", submitted.headers(gateway, "bad"), b"one partition"))
    await gateway.publish(*records)
    found = await results(gateway, submitted.source, 5)
    assert {value["state"] for *_, value in found} == {"done"}


async def test_unknown_fields_are_ignored(gateway, submitted):
    value = json.dumps({"prompt": "hello", "reasoning": {"deep": [1, 2]}, "user": 7}).encode()
    await gateway.publish((value, submitted.headers(gateway), None))
    [(_, _, result)] = await results(gateway, submitted.source, 1)
    assert result["state"] == "done"


async def test_neither_key_nor_prompt_is_kept_anywhere(gateway, submitted):
    marker = "zqprompt7781"
    value = json.dumps({"prompt": f"wait {marker}"}).encode()
    gateway.provider.go.set()
    await gateway.publish(
        (value, submitted.headers(gateway), None), (marker.encode(), submitted.headers(gateway), b"k")
    )
    [(record, headers, _)] = await results(gateway, submitted.source, 1)
    dead = await dead_letter(gateway, b"k")
    await asyncio.sleep(0.3)
    tables = [
        row["name"] for row in await gateway.rows("select tablename as name from pg_tables where schemaname='public'")
    ]
    kept = "".join([str(await gateway.rows(f"select t::text from {table} t")) for table in tables])  # noqa: S608  our tables
    kept += str((record.value, headers, dead.value, dead.headers))
    kept += "".join(str(file.read_bytes()) for file in gateway.run.spool.iterdir())
    for secret in (marker, marker.encode().hex(), gateway.key, gateway.key.encode().hex()):
        assert secret not in kept
    gateway.provider.go.clear()


async def test_the_life_of_a_task_is_told(gateway, submitted):
    await gateway.publish((PROMPT, submitted.headers(gateway), None))
    [(_, _, result)] = await results(gateway, submitted.source, 1)
    told = []
    async with gateway.reading(TASK_LIFECYCLE) as consumer, asyncio.timeout(60):
        async for record in consumer:
            if record.key == result["task"].encode():
                told.append(dict(record.headers)["ce_type"].decode())
                if len(told) == 2:
                    break
    assert told == ["metaqore.task.started.v1", "metaqore.task.finished.v1"]


async def test_a_task_is_run_again_when_the_gateway_comes_back(gateway, submitted):
    gateway.provider.waiting.clear()
    await gateway.publish((b'{"prompt":"wait for me"}', submitted.headers(gateway), None))
    async with asyncio.timeout(60):
        await gateway.provider.waiting.wait()
    await gateway.stop()  # within drain_s it does not end, so it stays claimed
    gateway.provider.go.set()
    await gateway.start()
    [(_, headers, result)] = await results(gateway, submitted.source, 1)
    gateway.provider.go.clear()
    decision, outcome = gateway.records_of(result["task"])
    assert (decision.kind, outcome.kind) == ("decision", "outcome")
    assert result["receipt"] == decision.receipt
    assert (result["state"], result["attempts"], outcome.attempts) == ("done", 2, 2)
    assert parse_token(headers["ce_metaqorereceipt"].decode()).id == decision.receipt
