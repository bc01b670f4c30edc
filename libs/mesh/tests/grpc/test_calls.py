"""What a call through the mesh carries, and what comes back when it goes wrong."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from metaqore.inference.v1 import inference_pb2 as pb
from metaqore.inference.v1 import inference_pb2_grpc as pb_grpc
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_mesh.errors import call_errors, error_of_call
from metaqore_mesh.grpc.identity import bearer_token, current_caller, mesh_metadata

ANNA = Caller("key_anna", "org_a", "Anna", frozenset({"tasks:submit", "tasks:read"}))
METHOD = "metaqore.inference.v1.InferenceService"


def served(method, code):
    labels = {"method": f"{METHOD}/{method}", "code": code}
    return REGISTRY.get_sample_value("metaqore_grpc_server_calls_total", labels) or 0


async def counted(method, code, calls):
    """Whether so many were served in the end: a call is counted once its answer is on its way."""
    async with asyncio.timeout(30):
        while served(method, code) < calls:
            await asyncio.sleep(0.01)
    return served(method, code) == calls


async def failing(error, stub, inference):
    async def list_models(_request, _context):
        raise error

    inference.list_models = list_models
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await stub.ListModels(pb.ListModelsRequest())
    return raised.value


async def test_the_caller_travels_without_the_personal_name(stub, inference):
    callers = []

    async def list_models(_request, _context):
        callers.append(current_caller())
        return pb.ListModelsResponse()

    inference.list_models = list_models
    await stub.ListModels(pb.ListModelsRequest(), metadata=mesh_metadata(ANNA))
    assert callers == [Caller("key_anna", "org_a", "key_anna", ANNA.scopes)]


async def test_a_peer_that_speaks_for_no_one_has_no_caller(stub, inference):
    async def list_models(_request, _context):
        return current_caller()

    inference.list_models = list_models
    with pytest.raises(MetaQoreError, match="organization") as raised, call_errors():
        await stub.ListModels(pb.ListModelsRequest())
    assert raised.value.code == "organization_missing"


@pytest.mark.parametrize("token", [None, "wrong", "mesh-token-and-more"])
async def test_a_peer_without_the_mesh_token_does_not_reach_the_method(token, serve, connected, inference):
    stub = pb_grpc.InferenceServiceStub(await connected(await serve(), mesh_token=token))
    called = []

    async def list_models(_request, _context):
        called.append(1)

    inference.list_models = list_models
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await stub.ListModels(pb.ListModelsRequest())
    assert (raised.value.code, raised.value.kind) == ("mesh_token_invalid", ErrorKind.UNAUTHENTICATED)
    assert not called


async def test_another_authenticator_decides_by_what_the_client_sent(serve, connected, inference):
    async def by_key(metadata):
        if bearer_token(metadata) != "mq_anna":
            raise MetaQoreError("api_key_invalid", "Send a key.", kind=ErrorKind.UNAUTHENTICATED)
        return ANNA

    callers = []

    async def generate(_request, _context):
        callers.append(current_caller())
        yield pb.GenerateResponse()

    inference.generate = generate
    address = await serve(authenticate=by_key)
    anna = pb_grpc.InferenceServiceStub(await connected(address, mesh_token="mq_anna"))
    assert [message async for message in anna.Generate(pb.GenerateRequest())] == [pb.GenerateResponse()]
    assert callers == [ANNA]
    other = pb_grpc.InferenceServiceStub(await connected(address, mesh_token="mq_other"))
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await other.Generate(pb.GenerateRequest()).read()
    assert raised.value.code == "api_key_invalid"
    assert callers == [ANNA]


async def test_callers_of_calls_that_run_together_are_not_mixed_up(stub, inference):
    async def list_models(_request, _context):
        before = current_caller()
        await asyncio.sleep(0.01)
        assert current_caller() is before
        return pb.ListModelsResponse(models=[pb.Model(id=before.organization)])

    inference.list_models = list_models
    asked = [Caller("key", f"org_{number}", "", frozenset()) for number in range(50)]
    calls = [stub.ListModels(pb.ListModelsRequest(), metadata=mesh_metadata(caller)) for caller in asked]
    answers = await asyncio.gather(*calls)
    assert [answer.models[0].id for answer in answers] == [caller.organization for caller in asked]


async def test_a_blocking_client_gets_the_same_error(serve, inference):
    async def list_models(_request, _context):
        raise MetaQoreError("queue_full", "Soon.", kind=ErrorKind.EXHAUSTED, retryable=True)

    inference.list_models = list_models
    address = await serve()

    def ask():
        with grpc.insecure_channel(address) as channel, call_errors():
            stub = pb_grpc.InferenceServiceStub(channel)
            stub.ListModels(pb.ListModelsRequest(), metadata=[("authorization", "Bearer mesh-token")], timeout=5)

    with pytest.raises(MetaQoreError) as raised:
        await asyncio.to_thread(ask)
    assert (raised.value.code, raised.value.retryable) == ("queue_full", True)


async def test_an_error_of_ours_arrives_as_it_was_raised(stub, inference):
    full = MetaQoreError("queue_full", "Come back soon.", kind=ErrorKind.EXHAUSTED, retryable=True, reasons=("a", "b"))
    with capture_logs() as logs:
        got = await failing(full, stub, inference)
    assert (got.code, got.kind, got.retryable, got.reasons) == ("queue_full", ErrorKind.EXHAUSTED, True, ("a", "b"))
    assert not logs


async def test_a_fault_leaves_no_text_and_is_logged_once(stub, inference, caplog):
    before = served("ListModels", "INTERNAL")
    with capture_logs() as logs:
        got = await failing(RuntimeError("the secret prompt"), stub, inference)
    assert (got.code, got.kind) == ("internal", ErrorKind.INTERNAL)
    assert "secret" not in got.message
    assert [log["event"] for log in logs] == ["grpc.failed"]
    assert not caplog.records
    assert await counted("ListModels", "INTERNAL", before + 1)


async def test_trailing_metadata_of_the_handler_stays_beside_the_error(stub, inference):
    async def list_models(_request, context):
        context.set_trailing_metadata((("metaqore-receipt", "r1"),))
        raise MetaQoreError("denied", "No.", kind=ErrorKind.FORBIDDEN)

    inference.list_models = list_models
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.ListModels(pb.ListModelsRequest())
    assert raised.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert raised.value.trailing_metadata()["metaqore-receipt"] == "r1"


async def test_an_error_in_the_middle_of_a_stream_comes_after_its_messages(stub, inference):
    async def generate(_request, _context):
        yield pb.GenerateResponse()
        raise MetaQoreError("engine_gone", "Again.", kind=ErrorKind.UNAVAILABLE)

    inference.generate = generate
    call = stub.Generate(pb.GenerateRequest())
    assert await call.read() == pb.GenerateResponse()
    with pytest.raises(MetaQoreError, match="Again"), call_errors():
        await call.read()


@pytest.mark.parametrize("where", ["waiting", "yielding"])
async def test_a_client_that_leaves_closes_the_stream_in_its_own_task(where, stub, inference):
    ended = asyncio.Event()
    before = served("Generate", "CANCELLED")

    async def generate(_request, _context):
        try:
            yield pb.GenerateResponse()
            while True:
                await asyncio.sleep(60 if where == "waiting" else 0)
                yield pb.GenerateResponse()
        finally:
            await asyncio.sleep(0)  # closing may itself wait
            ended.set()

    inference.generate = generate
    call = stub.Generate(pb.GenerateRequest())
    await call.read()
    call.cancel()
    await asyncio.wait_for(ended.wait(), 30)
    assert await counted("Generate", "CANCELLED", before + 1)


async def test_a_call_has_a_deadline_by_default_and_takes_another(serve, connected, inference):
    stub = pb_grpc.InferenceServiceStub(await connected(await serve(), deadline_s=0.2))
    left = []

    async def list_models(_request, context):
        left.append(context.time_remaining())
        await asyncio.sleep(0.4)
        return pb.ListModelsResponse()

    inference.list_models = list_models
    with pytest.raises(MetaQoreError) as raised, call_errors():
        await stub.ListModels(pb.ListModelsRequest())
    assert raised.value.kind is ErrorKind.DEADLINE_EXCEEDED
    await stub.ListModels(pb.ListModelsRequest(), timeout=5)
    assert left[0] < 1
    assert left[1] > 4


async def test_a_client_counts_its_calls_by_status(stub, inference):
    def called(code):
        labels = {"method": f"{METHOD}/ListModels", "code": code}
        return REGISTRY.get_sample_value("metaqore_grpc_client_calls_total", labels) or 0

    done, refused = called("OK"), called("NOT_FOUND")
    await stub.ListModels(pb.ListModelsRequest())
    await failing(MetaQoreError("x", "X.", kind=ErrorKind.NOT_FOUND), stub, inference)
    await asyncio.sleep(0)
    assert (called("OK"), called("NOT_FOUND")) == (done + 1, refused + 1)


async def test_too_large_a_message_is_refused(serve, connected, inference):
    stub = pb_grpc.InferenceServiceStub(await connected(await serve(max_message_bytes=1024)))

    async def generate(_request, _context):
        yield pb.GenerateResponse()

    inference.generate = generate
    with pytest.raises(MetaQoreError) as raised, call_errors():
        async for _ in stub.Generate(pb.GenerateRequest(model="m" * 2048)):
            pass
    assert raised.value.kind is ErrorKind.EXHAUSTED


@pytest.mark.parametrize("method", ["ListModels", "Generate"])
async def test_a_message_above_the_bound_is_told_so_and_counted(serve, connected, method):
    channel = await connected(await serve(max_message_bytes=1024))
    before = served(method, "RESOURCE_EXHAUSTED")
    told = error_of_call(await refused(channel, f"/{METHOD}/{method}", b" " * 1025))
    assert (told.code, told.kind, told.retryable) == ("body_too_large", ErrorKind.TOO_LARGE, False)
    assert "1024 bytes" in told.message
    assert await counted(method, "RESOURCE_EXHAUSTED", before + 1)


async def test_a_message_at_the_bound_is_read(serve, connected, inference):
    stub = pb_grpc.InferenceServiceStub(await connected(await serve(max_message_bytes=1024)))
    seen = []

    async def generate(request, _context):
        seen.append(request.ByteSize())
        yield pb.GenerateResponse()

    inference.generate = generate
    _ = [answer async for answer in stub.Generate(pb.GenerateRequest(model="m" * 1021))]
    assert seen == [1024]


async def test_a_message_above_the_bound_is_refused_in_a_stream_of_them(serve, connected):
    channel = await connected(await serve(max_message_bytes=1024), mesh_token=None)
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    asked = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    assert error_of_call(await refused(channel, method, asked, b" " * 1025)).code == "body_too_large"


NO_MESSAGE = b"\xff\xff\xff\xff"


async def refused(channel, method, *requests):
    """The error of a call that sends these bytes. One message and a stream of one look alike on the wire."""
    with pytest.raises(grpc.RpcError) as raised:
        _ = [answer async for answer in channel.stream_stream(method)(iter(requests))]
    return raised.value


@pytest.mark.parametrize("method", ["ListModels", "Generate"])
async def test_what_is_no_message_is_refused_as_such_and_counted(serve, connected, method):
    channel = await connected(await serve())
    before = served(method, "INVALID_ARGUMENT")
    error = await refused(channel, f"/{METHOD}/{method}", NO_MESSAGE)
    told = error_of_call(error)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (told.code, told.retryable) == ("request_unreadable", False)
    assert f"{METHOD}/{method}" in told.message
    assert "google" not in error.details()
    assert await counted(method, "INVALID_ARGUMENT", before + 1)


@pytest.mark.parametrize("method", ["ListModels", "Generate"])
async def test_what_is_no_message_is_not_read_for_a_stranger(serve, connected, method):
    channel = await connected(await serve(), mesh_token="other")
    assert error_of_call(await refused(channel, f"/{METHOD}/{method}", NO_MESSAGE)).code == "mesh_token_invalid"


@pytest.mark.parametrize(
    "before", [(), (reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString(),)]
)
async def test_what_is_no_message_is_refused_in_a_stream_of_them(serve, connected, before):
    channel = await connected(await serve(), mesh_token=None)
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    assert error_of_call(await refused(channel, method, *before, NO_MESSAGE)).code == "request_unreadable"
