"""The slow plane on a real port, database, spool and object store: in a thread, so that any client may call it."""

from __future__ import annotations

import asyncio
import secrets
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest

from metaqore_ai_gateway.adapters.idempotency import PostgresIdempotencyStore
from metaqore_ai_gateway.adapters.psmp.project_names import PostgresProjectNames
from metaqore_ai_gateway.adapters.scanner_hyperscan import HyperscanScanner
from metaqore_ai_gateway.adapters.tasks_store import PostgresTaskStore
from metaqore_ai_gateway.bootstrap_core import open_core
from metaqore_ai_gateway.bootstrap_psmp import Stores, open_psmp
from metaqore_ai_gateway.entrypoints.http_server import serve_http
from metaqore_ai_gateway.entrypoints.psmp_rest.door import PsmpDoor, RestLimits
from metaqore_ai_gateway.entrypoints.psmp_rest.websocket import EventStream
from metaqore_ai_gateway.entrypoints.slow.plane import slow_plane
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks
from metaqore_ai_gateway.settings import GatewayGroup, GatewaySettings
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller, Scope
from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.embedded.databases import make_databases, make_working_roles, with_database
from metaqore_mesh.health import Health
from metaqore_mesh.objects import ObjectSettings
from metaqore_mesh.run_directory import RunDirectory

ALL = DEFAULT_SCOPES | {Scope.PSMP_MODE, Scope.PSMP_ERASE}
CALLERS = {
    "ann": Caller("key_1", "acme", "ann", frozenset(DEFAULT_SCOPES)),
    "bob": Caller("key_2", "acme", "bob", frozenset(DEFAULT_SCOPES)),
    "eve": Caller("key_3", "acme", "eve", frozenset({*ALL, "role:reviewer", "role:security"})),
    "mallory": Caller("key_4", "other", "mallory", frozenset(ALL)),
    "reader": Caller("key_5", "acme", "reader", frozenset({Scope.PSMP_READ, Scope.TASKS_READ})),
}


class FixedKeys:
    def find(self, secret):
        return CALLERS.get(secret)


@dataclass
class Served:
    """Where the plane listens."""

    url: str

    def client(self, name, **headers):
        """A client that calls as this person."""
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {name}", **headers}, timeout=30)


@asynccontextmanager
async def serving(postgres_url, directory):
    name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(8)
    await make_databases(postgres_url, [name], password=password)
    await make_working_roles(postgres_url, name, owner=name)
    scheme, _, rest = with_database(postgres_url, name).partition("://")
    url = f"{scheme}://{name}:{password}@{rest.rpartition('@')[2]}"
    await migrate(url, "metaqore_ai_gateway.migrations")
    settings = GatewaySettings(run_dir=directory, gateway=GatewayGroup(spool_gather_s=0))
    async with (
        open_pool(url, name="test", size=8) as pool,
        open_core(settings, PostgresProjectNames(pool), scanner=HyperscanScanner(), providers={}) as core,
    ):
        stores = Stores(url, pool, RunDirectory(directory), ObjectSettings())
        idempotency = PostgresIdempotencyStore(pool, core.spool.writer)
        psmp = await open_psmp(stores, core.governing, idempotency, _published, "test")
        tasks = PostgresTaskStore(pool)
        limits = RestLimits(body_bytes=1 << 20, content_bytes=1 << 20)
        door = PsmpDoor(psmp.gate, psmp.readings, psmp.uploads, GetTask(tasks), ListTasks(tasks), limits)
        keys = FixedKeys()
        stream = EventStream(psmp.watching, keys)
        app = slow_plane(keys=keys, health=Health(), psmp=door, stream=stream, webhooks=psmp.webhooks)
        async with serve_http(app, "127.0.0.1", 0) as port:
            yield Served(f"http://127.0.0.1:{port}")


async def _published(*_, **__):
    """Nobody listens to the topics here."""


@pytest.fixture(scope="session")
def served(postgres_url, tmp_path_factory):
    directory = tmp_path_factory.mktemp("served")
    ready, found, stop = threading.Event(), [], asyncio.Event()
    loops = []

    async def serve():
        loops.append(asyncio.get_running_loop())
        async with serving(postgres_url, directory) as made:
            found.append(made)
            ready.set()
            await stop.wait()

    def run():
        try:
            asyncio.run(serve())
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="served")
    thread.start()
    ready.wait(60)
    assert found, "the plane did not start; its error is above"
    yield found[0]
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(30)


@pytest.fixture
def ann(served):
    with served.client("ann") as client:
        yield client


@pytest.fixture
def bob(served):
    with served.client("bob") as client:
        yield client


@pytest.fixture
def eve(served):
    with served.client("eve") as client:
        yield client


@pytest.fixture
def mallory(served):
    with served.client("mallory") as client:
        yield client


@pytest.fixture
def project(eve):
    """A project of its own for each test."""
    made = eve.post("/api/v1/projects", json={"name": secrets.token_hex(6)})
    assert made.status_code == 201, made.text
    return made.json()["id"]
