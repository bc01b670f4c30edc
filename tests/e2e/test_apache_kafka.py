"""The whole mesh on an Apache Kafka of one's own, with clients that nobody here wrote."""

import json
import os
import shutil
import subprocess
import uuid

import pytest
from confluent_kafka import Consumer, Producer

from metaqore_governance_core.receipts import parse_token
from running_mesh import eventually, running_mesh

KAFKA = os.environ.get("METAQORE_TEST_KAFKA")
pytestmark = [pytest.mark.kafka, pytest.mark.skipif(not KAFKA, reason="METAQORE_TEST_KAFKA names no Apache Kafka")]

REQUESTS, RESULTS = "metaqore.task.requests.v1", "metaqore.task.results.v1"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    with running_mesh(tmp_path_factory.mktemp("mesh"), METAQORE_KAFKA__BOOTSTRAP_SERVERS=KAFKA) as running:
        yield running


@pytest.fixture
def source():
    return f"test-{uuid.uuid4()}"


def headers(mesh, source, number="0"):
    event = {"ce_specversion": "1.0", "ce_type": "metaqore.task.submitted.v1", "ce_source": source, "ce_id": number}
    return {"authorization": f"Bearer {mesh.api_key}", **event}


def result_of(source, within_s=60):
    """The first result of this source, read by librdkafka from the beginning of the topic."""
    group = {"bootstrap.servers": KAFKA, "group.id": str(uuid.uuid4()), "auto.offset.reset": "earliest"}
    consumer = Consumer(group)
    consumer.subscribe([RESULTS])
    found = []

    def look():
        message = consumer.poll(0.5)
        if message and not message.error():
            result = json.loads(message.value())
            if result["request"]["source"] == source:
                found.append((result, dict(message.headers())))
        return found

    try:
        return eventually(look, within_s=within_s, every_s=0)[0]
    finally:
        consumer.close()


def test_a_task_published_with_librdkafka_gets_its_result(mesh, source):
    producer = Producer({"bootstrap.servers": KAFKA, "enable.idempotence": True})
    producer.produce(REQUESTS, json.dumps({"prompt": "Hi", "max_tokens": 3}), headers=headers(mesh, source))
    assert producer.flush(10) == 0
    result, carried = result_of(source)
    assert result["state"] == "done"
    assert parse_token(carried["ce_metaqorereceipt"].decode()).id == result["receipt"]
    assert mesh.json("audit", "verify", result["receipt_token"])["verified"] == 1


@pytest.mark.skipif(not shutil.which("kcat"), reason="kcat is not installed")
def test_a_task_published_with_kcat_gets_its_result(mesh, source):
    given = [option for name, value in headers(mesh, source).items() for option in ("-H", f"{name}={value}")]
    command = ["kcat", "-P", "-b", KAFKA, "-t", REQUESTS, *given]
    subprocess.run(command, input='{"prompt": "Hi", "max_tokens": 3}', text=True, check=True, timeout=30)
    assert result_of(source)[0]["state"] == "done"


def test_the_log_fills_and_verifies(mesh):
    done = mesh.json("task", "submit", "Hi", "--max-tokens", "2")
    assert mesh.json("audit", "verify", done["receipt"])["verified"] == 1
    assert mesh.json("audit", "verify", "--all")["faults"] == []
