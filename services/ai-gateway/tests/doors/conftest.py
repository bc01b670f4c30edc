"""A whole gateway in this process, on the real broker and database, with a scripted provider and auditor."""

# ruff: noqa: N802  the auditor's names are the contract's

from __future__ import annotations

import asyncio
import json
import re
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from types import SimpleNamespace

import asyncpg
import grpc
import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from metaqore.audit.v1 import audit_pb2 as audit
from metaqore.audit.v1 import audit_pb2_grpc
from metaqore_ai_gateway.bootstrap import bootstrap
from metaqore_ai_gateway.settings import GatewayGroup, GatewaySettings, PeerGroup
from metaqore_governance_core.contracts.topics import TASK_REQUESTS
from metaqore_mesh.embedded.databases import make_databases, make_working_roles, with_database
from metaqore_mesh.grpc.identity import MeshAuthenticator, current_caller
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health
from metaqore_mesh.run_directory import RunDirectory
from metaqore_mesh.settings import DatabaseSettings, KafkaSettings, TelemetrySettings

CONFIG = """
default_model: stub
allowpaths:
  - {{effect: allow, caller: "*", tool: "model.*", verb: generate}}
  - {{effect: allow, caller: "*", tool: "psmp.*", verb: "*"}}
providers:
  - {{name: stub, kind: openai, locality: local, base_url: "http://127.0.0.1:{port}/v1"}}
models:
  - {{name: stub, routes: [{{provider: stub, model: stub}}]}}
"""

FILE = "**src/a.py**\n```python\nx = 1\n```\n"


class Provider:
    """An OpenAI-compatible server. A prompt with `wait` in it is answered once `go` is set, one with `file` by one."""

    def __init__(self):
        self.calls = 0
        self.left = 0
        self.go = asyncio.Event()
        self.waiting = asyncio.Event()

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-le")
                )
                body = json.loads(await reader.readexactly(length))
                self.calls += 1
                if "wait" in json.dumps(body["messages"]):
                    await self._hold(reader)
                text = FILE if "file" in json.dumps(body["messages"]) else "hello there"
                self._answer(writer, text, streaming=body.get("stream"))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _hold(self, reader):
        self.waiting.set()
        leaving = asyncio.create_task(reader.read(1))
        going = asyncio.create_task(self.go.wait())
        await asyncio.wait([leaving, going], return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            self.left += 1
            raise ConnectionError
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)

    def _answer(self, writer, text, *, streaming):
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        if not streaming:
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            raw = json.dumps({"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
            kind = "application/json"
        else:
            chunks = [
                {"choices": [{"index": 0, "delta": {"content": text[:6]}, "finish_reason": None}]},
                {"choices": [{"index": 0, "delta": {"content": text[6:]}, "finish_reason": "stop"}]},
                {"choices": [], "usage": usage},
            ]
            raw = b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"
            kind = "text/event-stream"
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(raw)}\r\n\r\n"
        writer.write(head.encode() + raw)


class Auditor(audit_pb2_grpc.AuditServiceServicer):
    """Has sealed nothing; tells who asks."""

    async def GetWriterProgress(self, _request, _context):
        return audit.GetWriterProgressResponse()

    async def GetTaskRecords(self, _request, _context):
        return audit.GetTaskRecordsResponse()

    async def GetCheckpoint(self, _request, _context):
        return audit.GetCheckpointResponse(checkpoint=f"of {current_caller().organization}")

    async def ListRecords(self, request, _context):
        for index in range(request.start_index, request.start_index + request.limit):
            yield audit.ListRecordsResponse(records=[audit.LogRecord(leaf_index=index)])


class Gateway:
    """One gateway with its surroundings; `start` and `stop` may be called again and again."""

    def __init__(self, run_dir, settings, provider):
        self.run = RunDirectory(run_dir)
        self.settings = settings
        self.provider = provider
        self._stop = asyncio.Event()
        self._life = None

    async def start(self):
        ready = asyncio.get_running_loop().create_future()
        self._stop.clear()
        self._life = asyncio.create_task(self._live(ready))
        done, _ = await asyncio.wait([self._life, ready], return_when=asyncio.FIRST_COMPLETED)
        if self._life in done:
            self._life.result()
        self.ports = ready.result()

    async def stop(self):
        self._stop.set()
        await self._life

    async def _live(self, ready):
        async with bootstrap(self.settings, Health()) as ports:
            ready.set_result(ports)
            await self._stop.wait()

    @property
    def key(self):
        return self.run.api_key.read_text().strip()

    @property
    def bootstrap_servers(self):
        return self.settings.kafka.bootstrap_servers

    def http(self, **options):
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.ports.rest}", trust_env=False, **options)

    def channel(self):
        return grpc.aio.insecure_channel(f"127.0.0.1:{self.ports.grpc}", options=[("grpc.enable_http_proxy", 0)])

    @property
    def metadata(self):
        return (("authorization", f"Bearer {self.key}"),)

    def records_of(self, task):
        """What the spool's files hold of a task."""
        found = []
        for segment in sorted(self.run.spool.glob("*.seg")):
            text = segment.read_bytes().decode("utf-8", "replace")
            for begin in re.finditer(r'\{"count":', text):
                value, _ = json.JSONDecoder().raw_decode(text, begin.start())
                found += [SimpleNamespace(**record) for record in value["records"] if record.get("task") == task]
        return found

    async def knows(self, secret):
        """Whether a key may be used: soon after it was made, until soon after it is revoked."""
        async with self.http(headers={"authorization": f"Bearer {secret}"}) as client:
            return (await client.get("/v1/models")).status_code != 401

    async def rows(self, query, *arguments):
        connection = await asyncpg.connect(self.settings.database.url)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    @asynccontextmanager
    async def reading(self, topic):
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.bootstrap_servers, auto_offset_reset="earliest")
        async with consumer:
            yield consumer

    async def publish(self, *records):
        """Each record: (value, headers, key)."""
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers) as producer:
            for value, headers, key in records:
                raw = [(name, text.encode()) for name, text in headers.items()]
                await producer.send_and_wait(TASK_REQUESTS, value, key, headers=raw)


@asynccontextmanager
async def surroundings(tmp_path, database_url, kafka):
    run = RunDirectory(tmp_path / "run")
    run.create()
    token = run.make_mesh_token()
    provider = Provider()
    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
        stack.callback(server.close)
        config = tmp_path / "metaqore.yaml"
        config.write_text(CONFIG.format(port=server.sockets[0].getsockname()[1]))
        register = partial(audit_pb2_grpc.add_AuditServiceServicer_to_server, Auditor())
        auditor_port = await stack.enter_async_context(
            serve_grpc(
                "127.0.0.1:0",
                {"metaqore.audit.v1.AuditService": register},
                authenticate=MeshAuthenticator(token),
                health=Health(),
                grace_s=0.1,
            )
        )
        settings = GatewaySettings(
            run_dir=tmp_path / "run",
            config=config,
            kafka=KafkaSettings(bootstrap_servers=kafka, embedded=True),
            database=DatabaseSettings(url=database_url),
            telemetry=TelemetrySettings(metrics_port=0),
            gateway=GatewayGroup(rest_port=0, grpc_port=0, drain_s=2, seal_s=0.1),
            auditor=PeerGroup(endpoint=f"127.0.0.1:{auditor_port}"),
        )
        yield Gateway(tmp_path / "run", settings, provider)


async def fresh_database(postgres_url):
    name, password = f"doors_{secrets.token_hex(4)}", secrets.token_hex(8)
    await make_databases(postgres_url, [name], password=password)
    await make_working_roles(postgres_url, name, owner=name)
    scheme, _, rest = with_database(postgres_url, name).partition("://")
    return f"{scheme}://{name}:{password}@{rest.rpartition('@')[2]}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory, postgres_url, kafka_bootstrap):
    ready, stop = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def live():
        # Of its own, should it be set up again: a database whose first key was given away makes no second one.
        database = await fresh_database(postgres_url)
        async with surroundings(tmp_path_factory.mktemp("doors"), database, kafka_bootstrap) as gateway:
            await gateway.start()
            ready.set_result(gateway)
            await stop.wait()
            await gateway.stop()

    life = asyncio.create_task(live())
    await asyncio.wait([life, ready], return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        life.result()
    yield ready.result()
    stop.set()
    await life


@pytest.fixture
def submitted():
    """Headers of a task with a source of its own."""
    source = f"shop-{secrets.token_hex(4)}"

    def headers(gateway, event="1", **changes):
        found = {
            "authorization": f"Bearer {gateway.key}",
            "ce_specversion": "1.0",
            "ce_type": "metaqore.task.submitted.v1",
            "ce_source": source,
            "ce_id": event,
        }
        found.update(changes)
        return {name: text for name, text in found.items() if text is not None}

    return SimpleNamespace(source=source, headers=headers)
