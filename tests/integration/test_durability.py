"""`durability = broker`: what a request waits for, and on which brokers it may."""

import os
import subprocess

import pytest

from running_mesh import METAQORE, running_mesh

KAFKA = os.environ.get("METAQORE_TEST_KAFKA")


def test_it_is_refused_on_a_broker_that_keeps_nothing(tmp_path):
    environment = {**os.environ, "METAQORE_RUN_DIR": str(tmp_path), "METAQORE_GATEWAY__DURABILITY": "broker"}
    command = [METAQORE, "up", "--detach", "--free-ports"]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == 1
    assert "METAQORE_GATEWAY__DURABILITY" in done.stderr


@pytest.mark.kafka
@pytest.mark.skipif(not KAFKA, reason="METAQORE_TEST_KAFKA names no Apache Kafka")
def test_a_task_waits_for_the_broker(tmp_path):
    kept = {"METAQORE_KAFKA__BOOTSTRAP_SERVERS": KAFKA, "METAQORE_GATEWAY__DURABILITY": "broker"}
    with running_mesh(tmp_path, **kept) as mesh:
        done = mesh.json("task", "submit", "Hi", "--max-tokens", "2")
        assert done["state"] == "done"
        assert mesh.json("audit", "verify", done["receipt_token"])["verified"] == 1
