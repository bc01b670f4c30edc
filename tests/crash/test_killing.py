"""The Apache Kafka that crash tests kill: started by a script that is not ours, and may fail without a process."""

import os

import pytest

import killing
from killing import KAFKA_ATTEMPTS, VendoredKafka

SCRIPT = """#!/bin/sh
echo attempt >> "$1/attempts"
[ $(wc -l < "$1/attempts") -ge {succeeds} ] || exit 2
echo {pid} > "$1/kafka.pid"
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    def make(succeeds):
        path = tmp_path / "kafka-up.sh"
        path.write_text(SCRIPT.format(succeeds=succeeds, pid=os.getpid()))
        path.chmod(0o700)
        monkeypatch.setattr(killing, "VENDORED_KAFKA", path)

    return make


def test_a_script_that_fails_without_a_process_is_run_again(script, tmp_path):
    script(succeeds=2)
    assert VendoredKafka(tmp_path).pid == os.getpid()


def test_a_script_that_always_fails_is_told(script, tmp_path):
    script(succeeds=KAFKA_ATTEMPTS + 1)
    with pytest.raises(AssertionError, match="did not start"):
        VendoredKafka(tmp_path)
