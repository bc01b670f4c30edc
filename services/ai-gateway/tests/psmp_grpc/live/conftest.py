"""The gRPC door onto PSMP on a real database, spool and object store, for two organizations."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from pathlib import Path

import grpc
import pytest_asyncio

from metaqore.psmp import v1
from metaqore_ai_gateway.adapters.idempotency import PostgresIdempotencyStore
from metaqore_ai_gateway.adapters.psmp.project_names import PostgresProjectNames
from metaqore_ai_gateway.bootstrap_core import open_core
from metaqore_ai_gateway.bootstrap_psmp import Stores, open_psmp
from metaqore_ai_gateway.entrypoints.psmp_grpc.services import psmp_services
from metaqore_ai_gateway.entrypoints.psmp_grpc.watch import WatchServicer
from metaqore_ai_gateway.settings import GatewayGroup, GatewaySettings
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller, Scope
from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.embedded.databases import make_databases, make_working_roles, with_database
from metaqore_mesh.errors import error_of_call
from metaqore_mesh.grpc.identity import bearer_token
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health
from metaqore_mesh.objects import ObjectSettings
from metaqore_mesh.run_directory import RunDirectory

ALL = DEFAULT_SCOPES | {Scope.PSMP_MODE, Scope.PSMP_ERASE, "role:reviewer", "role:law"}
CALLERS = {
    "ann": Caller("key-ann", "acme", "ann", frozenset(ALL)),
    "bob": Caller("key-bob", "acme", "bob", frozenset(ALL)),
    "mallory": Caller("key-mallory", "rival", "mallory", frozenset(ALL)),
    "confused": Caller("key-mallory", "acme", "mallory", frozenset(ALL)),
}
"""`confused` is of the rival, whom a fault of the application takes for one of acme."""

SERVICES = {
    service.name: service
    for path in sorted(Path(v1.__path__[0]).glob("*_pb2.py"))
    for service in import_module(f"metaqore.psmp.v1.{path.stem}").DESCRIPTOR.services_by_name.values()
}
METHODS = {f"{service.name}.{method.name}": method for service in SERVICES.values() for method in service.methods}


async def authenticate(metadata):
    caller = CALLERS.get(bearer_token(metadata))
    if caller is None:
        raise MetaQoreError("invalid_api_key", "Who are you?", kind=ErrorKind.UNAUTHENTICATED)
    return caller


class Served:
    """Calls as somebody, by the names of the contract alone."""

    def __init__(self, channel):
        self.channel = channel

    def start(self, who, method, requests, timeout=30):
        described = METHODS[method]
        kind = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, False): self.channel.stream_unary,
        }[described.client_streaming, described.server_streaming]
        call = kind(
            f"/{described.containing_service.full_name}/{described.name}",
            request_serializer=described.input_type._concrete_class.SerializeToString,
            response_deserializer=described.output_type._concrete_class.FromString,
        )
        sent = iter(requests) if described.client_streaming else requests
        return call(sent, metadata=(("authorization", f"Bearer {who}"),), timeout=timeout)

    async def call(self, who, method, requests):
        """The response, or all of them. Raises the error as it was sent."""
        call = self.start(who, method, requests)
        try:
            if METHODS[method].server_streaming:
                return [one async for one in call]
            return await call
        except grpc.RpcError as error:
            raise error_of_call(error) from error


@asynccontextmanager
async def opened(url, directory, *, works=True):
    """PSMP behind a door; `works` also runs what goes on beside it."""

    async def nobody_listens(*_, **__):
        return []

    settings = GatewaySettings(run_dir=directory, gateway=GatewayGroup(spool_gather_s=0))
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(url, name="test", size=8))
        core = await stack.enter_async_context(open_core(settings, PostgresProjectNames(pool), providers={}))
        stores = Stores(url, pool, RunDirectory(directory), ObjectSettings())
        idempotency = PostgresIdempotencyStore(pool, core.spool.writer)
        psmp = await open_psmp(stores, core.governing, idempotency, nobody_listens, "test")
        services = psmp_services(psmp.gate, psmp.readings, psmp.uploads, WatchServicer(psmp.watching, authenticate))
        port = await stack.enter_async_context(
            serve_grpc("127.0.0.1:0", services, authenticate=authenticate, health=Health(), grace_s=0.1)
        )
        options = [("grpc.enable_http_proxy", 0)]
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options))
        working = [asyncio.create_task(work()) for work in psmp.work if works]
        try:
            yield Served(channel)
        finally:
            for one in working:
                one.cancel()
            await asyncio.gather(*working, return_exceptions=True)


async def fresh_database(postgres_url):
    name, password = f"grpc_{secrets.token_hex(4)}", secrets.token_hex(8)
    await make_databases(postgres_url, [name], password=password)
    await make_working_roles(postgres_url, name, owner=name)
    scheme, _, rest = with_database(postgres_url, name).partition("://")
    url = f"{scheme}://{name}:{password}@{rest.rpartition('@')[2]}"
    await migrate(url, "metaqore_ai_gateway.migrations")
    return url


async def kept_open(opening):
    """Enter and leave `opening` in one task, whatever runs the fixture."""
    ready, stop = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def live():
        async with opening as made:
            ready.set_result(made)
            await stop.wait()

    life = asyncio.create_task(live())
    await asyncio.wait([life, ready], return_when=asyncio.FIRST_COMPLETED)
    if life.done():
        life.result()

    async def end():
        stop.set()
        await life

    return ready.result(), end


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory, postgres_url):
    """Where it is kept: the database and the run directory."""
    return await fresh_database(postgres_url), tmp_path_factory.mktemp("live")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(place):
    url, directory = place
    served, end = await kept_open(opened(url, directory))
    yield served
    await end()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walled(place, live, tmp_path_factory):
    """A second gateway whose application filters nothing: every transaction is the rival's, whatever it asks for."""
    assert live
    url, directory = place
    other = tmp_path_factory.mktemp("walled")
    (other / "keys").mkdir(mode=0o700)
    for name in ("digest.key", "body.key"):
        found = directory / "keys" / name
        (other / "keys" / name).touch(mode=0o600)
        (other / "keys" / name).write_bytes(found.read_bytes())
    served, end = await kept_open(opened(url, other, works=False))
    yield served
    await end()
