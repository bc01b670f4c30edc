"""A gateway on a real port and a real spool, with scripted providers and stores in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from no_names import NoNames
from nothing_here import nothing_here

from kept_answers import MemoryIdempotency
from metaqore_ai_gateway.adapters.scanner_hyperscan import HyperscanScanner
from metaqore_ai_gateway.bootstrap_core import http_door, open_core
from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.entrypoints.http_server import serve_http
from metaqore_ai_gateway.settings import GatewayGroup, GatewaySettings
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller
from metaqore_mesh.keys import load_writer_public_key
from metaqore_mesh.run_directory import RunDirectory
from metaqore_mesh.spool.disk import PosixDisk

CONFIG = """
default_model: m
allowpaths:
  - {effect: allow, caller: "*", tool: "model.*", verb: generate}
  - {effect: forbid, caller: "intern", tool: "model.m", verb: "*"}
providers:
  - {name: local, kind: inference, locality: local}
models:
  - {name: m, routes: [{provider: local, model: m}]}
  - {name: org/other, routes: [{provider: local, model: other}]}
"""
KEYS = {
    "key-alice": Caller("key_1", "org_1", "alice", frozenset(DEFAULT_SCOPES)),
    "key-intern": Caller("key_2", "org_1", "intern", frozenset(DEFAULT_SCOPES)),
    "key-reader": Caller("key_3", "org_1", "reader", frozenset({"tasks:read"})),
}
WHOLE = b'{"object":"chat.completion","choices":[],"usage":{"prompt_tokens":3}}'


class FixedKeys:
    def find(self, secret):
        return KEYS.get(secret)


@dataclass
class Scripted:
    """A provider that yields its script: bytes, a `Usage`, an exception to raise, an event to wait for."""

    name: str = "local"
    script: list = field(default_factory=lambda: [WHOLE, Usage("stop", 3, 4)])
    calls: list = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def generate(self, call):
        self.calls.append(call)
        self.called.set()
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    yield step
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise

    async def close(self):
        pass


class FailingDisk(PosixDisk):
    """A disk whose sync, or whose writing, can be told to fail."""

    fails = False
    refuses = False

    def write(self, descriptor, content, offset):
        if self.refuses:
            raise OSError(5, "Input/output error")
        super().write(descriptor, content, offset)

    def sync(self, descriptor):
        if self.fails:
            raise OSError(5, "Input/output error")
        super().sync(descriptor)


@dataclass
class Gateway:
    core: object
    provider: Scripted
    idempotency: MemoryIdempotency
    disk: FailingDisk
    client: httpx.AsyncClient
    port: int
    run: RunDirectory

    async def chat(self, body=None, *, key="key-alice", content=None, **headers):
        sent = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value is not None}
        content = json.dumps(self.body(**(body or {}))).encode() if content is None else content
        return await self.client.post("/v1/chat/completions", content=content, headers=sent)

    def body(self, **more):
        return {"model": "m", "messages": [{"role": "user", "content": "my prompt"}], **more}

    async def records(self):
        """Every record of the spool, oldest first: all of them, once no task runs."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self.core.admission.idle()
        last = self.core.spool.durable_through
        found = []
        if last:
            async for group in self.core.spool.read(1):
                found += json.loads(group.value)["records"]
                if group.last_sequence >= last:
                    break
        return found

    def public_key(self, writer):
        return load_writer_public_key(self.run, writer)


def settings_in(directory, **group):
    config = directory / "metaqore.yaml"
    config.write_text(CONFIG)
    return GatewaySettings(run_dir=directory / "run", config=config, gateway=GatewayGroup(rest_port=0, **group))


@asynccontextmanager
async def running(directory, scanner, **group):
    settings = settings_in(directory, **group)
    provider, idempotency, disk = Scripted(), MemoryIdempotency(), FailingDisk()
    async with open_core(settings, NoNames(), scanner=scanner, providers={"local": provider}, disk=disk) as core:
        door = http_door(core, core.govern, settings.gateway, FixedKeys(), idempotency, nothing_here)
        async with (
            serve_http(door, "127.0.0.1", 0, connections=settings.gateway.rest_connections) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        ):
            yield Gateway(core, provider, idempotency, disk, client, port, RunDirectory(settings.run_dir))


@pytest.fixture(scope="session")
def scanner():
    """Compiling its rules takes longer than most tests."""
    return HyperscanScanner()


@pytest.fixture
async def gateway(tmp_path, scanner):
    async with running(tmp_path, scanner, body_bytes=100_000, running_tasks=20) as made:
        yield made


@pytest.fixture
def start(tmp_path, scanner):
    """Start a gateway on the same run directory again and again."""
    return lambda **group: running(tmp_path, scanner, **group)
