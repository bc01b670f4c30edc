"""How a server starts, says whether it is ready, shows itself and ends; and how a channel finds it again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from looking import until

from metaqore.inference.v1 import inference_pb2 as pb
from metaqore.inference.v1 import inference_pb2_grpc as pb_grpc
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.errors import call_errors
from metaqore_mesh.grpc import identity, server
from metaqore_mesh.grpc.channel import connect
from metaqore_mesh.grpc.identity import MeshAuthenticator
from metaqore_mesh.grpc.server import serve_grpc

SERVICE = "metaqore.inference.v1.InferenceService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def status_becomes(channel, status, service=""):
    check = health_pb2_grpc.HealthStub(channel).Check
    async with asyncio.timeout(30):
        while (await check(health_pb2.HealthCheckRequest(service=service))).status != status:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("service", ["", SERVICE])
async def test_health_follows_readiness_and_needs_no_token(service, serve, connected, health):
    channel = await connected(await serve(), mesh_token=None)
    await status_becomes(channel, SERVING, service)
    health.add_readiness("spool", lambda: "spool full")
    await status_becomes(channel, NOT_SERVING, service)


async def test_reflection_lists_the_services_without_a_token(serve, connected):
    channel = await connected(await serve(), mesh_token=None)
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    [answer] = [answer async for answer in stub.ServerReflectionInfo(asked)]
    names = {service.name for service in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names


async def test_a_port_that_is_taken_is_refused_with_its_address(serve):
    address = await serve()
    with pytest.raises(MetaQoreError, match=address) as raised:
        await serve(address)
    assert raised.value.code == "port_taken"


async def test_the_end_finishes_a_call_that_runs_and_takes_no_other(connected, inference, health):
    begun = asyncio.Event()

    async def list_models(_request, _context):
        begun.set()
        await asyncio.sleep(0.3)
        return pb.ListModelsResponse()

    inference.list_models = list_models
    services = {SERVICE: partial(pb_grpc.add_InferenceServiceServicer_to_server, inference)}
    async with serve_grpc("127.0.0.1:0", services, authenticate=MeshAuthenticator("mesh-token"), health=health) as port:
        stub = pb_grpc.InferenceServiceStub(await connected(f"127.0.0.1:{port}"))
        running = asyncio.ensure_future(stub.ListModels(pb.ListModelsRequest()))
        await begun.wait()
    assert await running == pb.ListModelsResponse()
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await stub.ListModels(pb.ListModelsRequest())
    assert raised.value.kind is ErrorKind.UNAVAILABLE


@pytest.mark.parametrize("tokens", [("mesh-token", "other"), ("other", "mesh-token"), ("mesh-token", "mesh-token")])
async def test_two_tokens_are_no_token(serve, connected, tokens):
    stub = pb_grpc.InferenceServiceStub(await connected(await serve(), mesh_token=None))
    metadata = [("authorization", f"Bearer {token}") for token in tokens]
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await stub.ListModels(pb.ListModelsRequest(), metadata=metadata)
    assert raised.value.code == "mesh_token_invalid"


async def test_who_has_no_token_keeps_few_calls_open(serve, connected, monkeypatch):
    monkeypatch.setattr(identity, "MAX_OPEN_CALLS", 2)
    address = await serve()
    health = health_pb2_grpc.HealthStub(await connected(address, mesh_token=None))
    watch = health.Watch
    open_ = [watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
    for call in open_:
        await call.read()
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await watch(health_pb2.HealthCheckRequest()).read()
    assert (raised.value.code, raised.value.retryable) == ("too_many_calls", True)
    assert (await health.Check(health_pb2.HealthCheckRequest())).status is health_pb2.HealthCheckResponse.SERVING
    await pb_grpc.InferenceServiceStub(await connected(address)).ListModels(pb.ListModelsRequest())
    open_[0].cancel()

    async def taken():
        with suppress(grpc.aio.AioRpcError):
            return await watch(health_pb2.HealthCheckRequest()).read()

    await until(taken)


async def test_no_more_calls_run_than_may(serve, connected, inference, monkeypatch):
    monkeypatch.setattr(server, "MAX_CALLS", 2)
    release, begun = asyncio.Event(), []

    async def list_models(_request, _context):
        begun.append(1)
        await release.wait()
        return pb.ListModelsResponse()

    inference.list_models = list_models
    stub = pb_grpc.InferenceServiceStub(await connected(await serve()))
    running = [asyncio.ensure_future(stub.ListModels(pb.ListModelsRequest())) for _ in range(2)]
    await until(lambda: len(begun) == 2)
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await stub.ListModels(pb.ListModelsRequest())
    assert raised.value.kind is ErrorKind.EXHAUSTED
    release.set()
    assert await asyncio.gather(*running) == [pb.ListModelsResponse()] * 2


async def test_an_unknown_method_is_told_so(serve, connected):
    channel = await connected(await serve())
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await channel.unary_unary("/metaqore.inference.v1.InferenceService/Nothing")(b"")
    assert raised.value.code == "unimplemented"


async def test_what_may_be_repeated_waits_for_a_server_that_comes_back(serve, connected, unused_tcp_port):
    address = f"127.0.0.1:{unused_tcp_port}"
    stub = pb_grpc.InferenceServiceStub(await connected(address, idempotent=[SERVICE]))
    once = pb_grpc.InferenceServiceStub(await connected(address))
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await once.ListModels(pb.ListModelsRequest())
    assert raised.value.kind is ErrorKind.UNAVAILABLE
    asked = asyncio.ensure_future(stub.ListModels(pb.ListModelsRequest(), timeout=60))
    await asyncio.sleep(0.02)
    await serve(address)
    assert await asked == pb.ListModelsResponse()


@pytest.mark.parametrize(("named", "calls"), [([SERVICE], 3), ([f"{SERVICE}/ListModels"], 3), ([], 1)])
async def test_only_what_is_named_is_repeated_while_unavailable(named, calls, serve, connected, inference):
    seen = []

    async def list_models(_request, _context):
        seen.append(1)
        if len(seen) < 3:
            raise MetaQoreError("starting", "Soon.", kind=ErrorKind.UNAVAILABLE, retryable=True)
        return pb.ListModelsResponse()

    inference.list_models = list_models
    stub = pb_grpc.InferenceServiceStub(await connected(await serve(), idempotent=named))
    if calls == 1:
        with pytest.raises(MetaQoreError, match="Soon"), call_errors():
            await stub.ListModels(pb.ListModelsRequest())
    else:
        await stub.ListModels(pb.ListModelsRequest())
    assert len(seen) == calls


def test_an_empty_mesh_token_is_refused():
    with pytest.raises(ValueError, match="empty"):
        MeshAuthenticator("")


async def test_a_proxy_of_the_environment_is_not_for_the_mesh(serve, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    address = await serve()
    async with connect(address, mesh_token="mesh-token") as channel:
        await pb_grpc.InferenceServiceStub(channel).ListModels(pb.ListModelsRequest())
