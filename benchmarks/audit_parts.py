"""Broker, PostgreSQL and auditor as processes of their own, in a directory of their own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from metaqore.audit.v1 import audit_pb2 as pb
from metaqore.audit.v1.audit_pb2_grpc import AuditServiceStub
from metaqore_mesh.embedded.broker import EmbeddedBroker
from metaqore_mesh.embedded.databases import AUDITOR, make_databases
from metaqore_mesh.embedded.postgres import ADMIN, EmbeddedPostgres
from metaqore_mesh.errors import call_errors
from metaqore_mesh.grpc.channel import connect
from metaqore_mesh.keys import load_mesh_token
from metaqore_mesh.run_directory import RunDirectory
from metaqore_mesh.settings import KafkaSettings

SERVICE = "metaqore.audit.v1.AuditService"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the writer of a benchmark needs of them."""

    run: RunDirectory
    kafka: KafkaSettings
    audit: AuditServiceStub
    auditor_pid: int

    async def sealed_through(self, writer: str) -> int:
        """How far the auditor has sealed the writer; raises `MetaQoreError` as the shipper expects it."""
        with call_errors():
            progress = await self.audit.GetWriterProgress(pb.GetWriterProgressRequest(writer=writer), timeout=5)
        return progress.sealed_sequence


@asynccontextmanager
async def running_parts(directory: Path) -> AsyncIterator[Parts]:
    """The three parts, ready; ended with the block."""
    run = RunDirectory(directory)
    run.create()
    run.make_mesh_token()
    postgres, broker, port = EmbeddedPostgres(run.postgres), EmbeddedBroker(_free_port()), _free_port()
    await postgres.prepare()
    async with AsyncExitStack() as stack:
        stack.enter_context(_process(postgres.command(), run.log_of("postgres")))
        stack.enter_context(_process(broker.command(), run.log_of("broker")))
        await _until(postgres.unready)
        await _until(broker.unready)
        await make_databases(postgres.url("postgres", role=ADMIN), [AUDITOR])
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, embedded=True)
        settings = {
            "METAQORE_RUN_DIR": str(directory),
            "METAQORE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "METAQORE_KAFKA__EMBEDDED": "true",
            "METAQORE_DATABASE__URL": postgres.url(AUDITOR),
            "METAQORE_TELEMETRY__METRICS_PORT": "0",
            "METAQORE_AUDITOR__GRPC_PORT": str(port),
        }
        command = [sys.executable, "-m", "metaqore_compliance_auditor"]
        auditor = stack.enter_context(_process(command, run.log_of("auditor"), settings))
        token = load_mesh_token(run.mesh_token)
        channel = await stack.enter_async_context(connect(f"127.0.0.1:{port}", mesh_token=token, idempotent=[SERVICE]))
        parts = Parts(run, kafka, AuditServiceStub(channel), auditor.pid)
        await _until(lambda: _unready(channel))
        yield parts


async def _unready(channel: grpc.aio.Channel) -> str | None:
    try:
        async with asyncio.timeout(0.5):
            await channel.channel_ready()
    except TimeoutError:
        return "not connected"
    return None


async def _until(unready: Callable[[], Awaitable[str | None]]) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while await unready():  # noqa: ASYNC110 - other processes can only be asked
            await asyncio.sleep(0.05)


@contextmanager
def _process(
    command: list[str], log: Path, settings: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=os.environ | (settings or {}))
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
