"""Pytest fixtures for the broker: the embedded one, and the Apache Kafka that METAQORE_TEST_KAFKA names."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from metaqore_mesh.embedded.broker import EmbeddedBroker
from metaqore_mesh.ports import free_ports
from metaqore_mesh.settings import KafkaSettings

_START_TIMEOUT_S = 10.0


class BrokerProcess:
    """An embedded broker that a test may kill and start again, on the same port, empty."""

    def __init__(self, log: Path, *, advertised_port: int | None = None) -> None:
        # Two of them can listen on one port (SO_REUSEPORT) and share the clients: never start one on another's.
        [port] = free_ports(1)
        self.broker = EmbeddedBroker(port)
        self._command = self.broker.command()
        if advertised_port:
            told = self._command.index("--advertised-listener-url") + 1
            self._command[told] = f"tcp://{self.broker.host}:{advertised_port}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> KafkaSettings:
        """How to reach it."""
        return KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers, embedded=True)

    def start(self) -> None:
        """Start it and wait until it listens."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)  # noqa: S603 - a program of the project
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the broker did not start\n{self._log.read_text(errors='replace')}")
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL: everything it held is gone."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with closing(socket.socket()) as client:
            return client.connect_ex((self.broker.host, self.broker.port)) == 0


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of an embedded broker that lives as long as the session."""
    process = BrokerProcess(tmp_path_factory.mktemp("broker") / "log")
    process.start()
    yield process.settings.bootstrap_servers
    process.kill()


@pytest.fixture(scope="session")
def apache_kafka_bootstrap() -> str:
    """`host:port` of the Apache Kafka that METAQORE_TEST_KAFKA names; without it the test is skipped."""
    given = os.environ.get("METAQORE_TEST_KAFKA")
    if not given:
        pytest.skip("METAQORE_TEST_KAFKA=host:port names no Apache Kafka")
    return given


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def kafka_settings(request: pytest.FixtureRequest) -> KafkaSettings:
    """Each broker there is, one after the other: whoever uses this passes on all of them."""
    if request.param == "embedded":
        return KafkaSettings(bootstrap_servers=request.getfixturevalue("kafka_bootstrap"), embedded=True)
    return KafkaSettings(bootstrap_servers=request.getfixturevalue("apache_kafka_bootstrap"))


@pytest.fixture
def mortal_broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """An embedded broker of this test alone, running; it may be killed and started again."""
    process = BrokerProcess(tmp_path / "broker.log")
    process.start()
    yield process
    process.kill()


@pytest.fixture
def fresh_name() -> str:
    """A name for a topic or group that no other test uses."""
    return f"test.{secrets.token_hex(6)}"
