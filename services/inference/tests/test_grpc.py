"""The gRPC door with an engine that a test can follow."""

import asyncio
import json

import grpc
import pytest

from metaqore.inference.v1 import inference_pb2 as pb
from metaqore.inference.v1.inference_pb2_grpc import InferenceServiceStub
from metaqore_governance_core.errors import MetaQoreError
from metaqore_inference.bootstrap import bootstrap
from metaqore_inference.service.ports import EngineModel
from metaqore_inference.settings import InferenceGroup, InferenceSettings
from metaqore_mesh.errors import call_errors
from metaqore_mesh.health import Health


class SlowEngine:
    """Says one word every 10 ms until it is left."""

    model = EngineModel("words", "test", 100)
    slots = 1

    def __init__(self):
        self.said = 0
        self.left = asyncio.Event()

    async def chat(self, request):
        try:
            for number in range(request.get("max_tokens", 3)):
                self.said += 1
                yield {"id": "c", "model": "words", "choices": [{"index": 0, "delta": {"content": f"w{number} "}}]}
                await asyncio.sleep(0.01)
            yield {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            yield {"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": self.said}}
        finally:
            self.left.set()

    async def close(self):
        pass


@pytest.fixture
def engine():
    return SlowEngine()


@pytest.fixture
async def stub(engine, tmp_path):
    token = tmp_path / "mesh-token"
    token.write_text("token\n")
    token.chmod(0o600)
    settings = InferenceSettings(mesh_token_file=token, inference=InferenceGroup(grpc_port=0, queue_limit=1))
    async with (
        bootstrap(settings, Health(), engine=engine) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield InferenceServiceStub(channel)


METADATA = (("authorization", "Bearer token"),)


def generate(stub, *, stream=True, model="words", body=None, timeout=5, **chat):
    raw = json.dumps({"messages": [], **chat}).encode() if body is None else body
    return stub.Generate(
        pb.GenerateRequest(model=model, chat_request=raw, stream=stream), metadata=METADATA, timeout=timeout
    )


async def test_chunks_come_as_they_are_made_and_the_end_tells_the_usage(stub):
    responses = [response async for response in generate(stub)]
    kinds = [response.WhichOneof("event") for response in responses]
    assert kinds == ["chunk"] * 5 + ["finished"]
    assert responses[-1].finished == pb.Finished(
        finish_reason="stop", prompt_tokens=1, completion_tokens=3, queue_us=responses[-1].finished.queue_us
    )


async def test_without_streaming_there_is_one_whole_completion(stub):
    responses = [response async for response in generate(stub, stream=False)]
    assert [response.WhichOneof("event") for response in responses] == ["completion", "finished"]
    assert json.loads(responses[0].completion)["choices"][0]["message"]["content"] == "w0 w1 w2 "


async def test_a_client_that_leaves_stops_the_engine(stub, engine):
    call = generate(stub, max_tokens=1000)
    await call.read()
    call.cancel()
    await asyncio.wait_for(engine.left.wait(), 30)
    assert engine.said < 100


@pytest.mark.parametrize(
    ("asked", "code", "reason"),
    [
        pytest.param({"model": "other"}, grpc.StatusCode.NOT_FOUND, "model_not_found", id="unknown model"),
        pytest.param({"body": b"["}, grpc.StatusCode.INVALID_ARGUMENT, "chat_request_invalid", id="no JSON"),
        pytest.param({"body": b"[1]"}, grpc.StatusCode.INVALID_ARGUMENT, "chat_request_invalid", id="no object"),
    ],
)
async def test_what_it_refuses_has_a_status_and_a_code(stub, asked, code, reason):
    call = generate(stub, **asked)
    with pytest.raises(MetaQoreError) as refused, call_errors():
        await call.read()
    assert await call.code() is code
    assert refused.value.code == reason


async def test_a_full_queue_is_resource_exhausted(stub):
    running = generate(stub, max_tokens=1000)
    await running.read()
    waiting = asyncio.create_task(generate(stub, max_tokens=1).read())
    await asyncio.sleep(0.05)
    turned_away = generate(stub)
    with pytest.raises(MetaQoreError) as refused, call_errors():
        await turned_away.read()
    assert refused.value.code == "queue_full"
    running.cancel()
    assert (await waiting).chunk


async def test_who_waits_past_its_deadline_is_told(stub):
    running = generate(stub, max_tokens=1000)
    await running.read()
    late = generate(stub, timeout=0.2)
    with pytest.raises(grpc.aio.AioRpcError):
        await late.read()
    assert await late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    running.cancel()


async def test_without_the_mesh_token_nobody_is_answered(stub):
    call = stub.ListModels(pb.ListModelsRequest(), metadata=(("authorization", "Bearer other"),))
    with pytest.raises(grpc.aio.AioRpcError):
        await call
    assert await call.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_models_are_listed(stub):
    answer = await stub.ListModels(pb.ListModelsRequest(), metadata=METADATA)
    assert list(answer.models) == [pb.Model(id="words", engine="test", context_tokens=100)]


@pytest.mark.parametrize(("mode", "code"), [(None, "key_file_unreadable"), (0o644, "key_file_open")])
async def test_a_token_that_cannot_be_used_is_told(engine, tmp_path, mode, code):
    token = tmp_path / "mesh-token"
    if mode is not None:
        token.write_text("token\n")
        token.chmod(mode)
    with pytest.raises(MetaQoreError) as raised:
        async with bootstrap(InferenceSettings(mesh_token_file=token), Health(), engine=engine):
            pass
    assert raised.value.code == code
    assert str(token) in raised.value.message
    assert mode is not None or "METAQORE_MESH_TOKEN_FILE" in raised.value.message
