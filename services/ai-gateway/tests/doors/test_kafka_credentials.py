"""A credential that comes over the bus is denied, and stored nowhere: not even in PostgreSQL's write-ahead log."""

import asyncio
import json
import secrets
import string
import sys
from pathlib import Path

import asyncpg
import pytest

from metaqore_governance_core.contracts.topics import TASK_RESULTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROCESS = Path(__file__).with_name("gateway_that_dies.py")
DEAD = "metaqore.task.requests.v1.ai-gateway.dlq"


def credential():
    """Of the form of an AWS access key; of no value."""
    return "AKIA" + "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(16))


async def results(gateway, source, count):
    found = []
    async with gateway.reading(TASK_RESULTS) as consumer, asyncio.timeout(60):
        async for record in consumer:
            if dict(record.headers).get("ce_requestsource") == source.encode():
                found.append(json.loads(record.value))
                if len(found) == count:
                    return found
    raise AssertionError("the topic ended")


async def files_with(postgres_url, *texts):
    """For each text, the files of the whole PostgreSQL cluster that hold it."""
    return await asyncio.to_thread(search, Path(await directory_of(postgres_url)), texts)


async def directory_of(postgres_url):
    connection = await asyncpg.connect(postgres_url)
    try:
        await connection.execute("checkpoint")
        return await connection.fetchval("show data_directory")
    finally:
        await connection.close()


def search(directory, texts):
    found = {text: [] for text in texts}
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert any(path.parent.name == "pg_wal" for path in files)
    for path in files:
        try:
            raw = path.read_bytes()
        except FileNotFoundError:  # PostgreSQL has files that come and go
            continue
        for text in texts:
            forms = (text.encode(), text.encode().hex().encode(), text.encode("utf-16-le"))
            if any(form in raw for form in forms):
                found[text].append(path.name)
    return [found[text] for text in texts]


async def test_it_is_denied_and_not_in_the_database(gateway, submitted, postgres_url):
    secret, marker = credential(), "zqcontrol55119"
    tasks = [
        {"prompt": f"my key is {secret}"},
        {"prompt": "hello", "project": secret},
        {"messages": [{"role": "user", "content": "hi"}], "tools": [{"type": "function", "secret": secret}]},
        {"prompt": "hello", "a field that is ignored": secret},
        {"prompt": "hello", "model": secret},
        {"prompt": f"hello {marker}"},
    ]
    await gateway.publish(
        *[(json.dumps(task).encode(), submitted.headers(gateway, str(n)), None) for n, task in enumerate(tasks)]
    )
    found = {result["request"]["id"]: result for result in await results(gateway, submitted.source, len(tasks))}
    ended = [(found[str(n)]["state"], (found[str(n)]["error"] or {}).get("code")) for n in range(len(tasks))]
    denied, done = ("denied", "credential_in_prompt"), ("done", None)
    assert ended == [denied, denied, denied, done, ("failed", "model_not_found"), done]
    for n in range(3):
        records = gateway.records_of(found[str(n)]["task"])
        assert [(record.kind, getattr(record, "project", None)) for record in records] == [
            ("decision", None),
            ("outcome", None),
        ]
    await asyncio.sleep(0.5)
    leaked, control = await files_with(postgres_url, secret, marker)
    assert control, "the search finds what is there"
    assert leaked == []
    assert secret not in json.dumps(found)


async def test_killed_between_claim_and_decision_it_is_denied_once(gateway, submitted, postgres_url):
    secret = credential()
    await gateway.stop()
    try:
        settings = gateway.settings.model_dump_json()
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROCESS), settings, stderr=asyncio.subprocess.PIPE
        )
        value = json.dumps({"prompt": f"key {secret}", "project": "p", "sensitivity": "INTERNAL"}).encode()
        await gateway.publish((value, submitted.headers(gateway), b"mine"))
        async with asyncio.timeout(60):
            _, errors = await process.communicate()
        assert process.returncode == -9, errors.decode()[-2000:]
        [row] = await gateway.rows("select state, body from task_claims where source = $1", submitted.source)
        assert (row["state"], json.loads(row["body"])["body"]) == ("claimed", None)
        assert json.loads(row["body"])["findings"] == {"credential.aws_access_key": 1}
    finally:
        await gateway.start()
    [result] = await results(gateway, submitted.source, 1)
    assert (result["state"], result["error"]["code"], result["attempts"]) == ("denied", "credential_in_prompt", 1)
    await gateway.publish((value, submitted.headers(gateway), b"mine"))
    first, again = await results(gateway, submitted.source, 2)
    assert first == again == result
    decision, outcome = gateway.records_of(result["task"])
    assert (decision.kind, decision.verdict, outcome.kind, outcome.state) == ("decision", "deny", "outcome", "denied")
    assert (decision.prompt["size_bytes"], decision.project, decision.door) == (len(value), None, "kafka")
    assert decision.receipt == result["receipt"]
    [leaked] = await files_with(postgres_url, secret)
    assert leaked == []


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "key"])
async def test_an_event_that_is_named_by_one_is_dead_and_nameless(gateway, submitted, postgres_url, name):
    secret = credential()
    headers = submitted.headers(gateway, **({} if name == "key" else {name: secret}))
    value = json.dumps({"prompt": f"hello {name} {submitted.source}"}).encode()
    await gateway.publish((value, headers, secret.encode() if name == "key" else submitted.source.encode()))
    size = str(len(value)).encode()
    async with gateway.reading(DEAD) as consumer, asyncio.timeout(30):
        async for record in consumer:
            found = dict(record.headers)
            if (found["dlq_code"], found["dlq_value_size_bytes"]) == (b"credential_in_event_name", size):
                break
    assert (record.key, record.value) == (None, b"")
    assert {header for header in found if not header.startswith("dlq_")} == set()
    [leaked] = await files_with(postgres_url, secret)
    assert leaked == []


async def test_a_deadline_in_the_past_is_answered(gateway, submitted):
    value = json.dumps({"prompt": "hello", "deadline_s": -1}).encode()
    await gateway.publish((value, submitted.headers(gateway), None))
    [result] = await results(gateway, submitted.source, 1)
    assert (result["state"], result["error"]["code"], result["receipt"]) == ("failed", "deadline_exceeded", "")
