"""A served Inference whose behaviour each test chooses, and a channel to it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

import pytest

from metaqore.inference.v1 import inference_pb2 as pb
from metaqore.inference.v1 import inference_pb2_grpc as pb_grpc
from metaqore_mesh.grpc.channel import connect
from metaqore_mesh.grpc.identity import MeshAuthenticator
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health

SERVICE = "metaqore.inference.v1.InferenceService"
TOKEN = "mesh-token"


class Inference(pb_grpc.InferenceServiceServicer):
    """Answers with what the test put in: `generate(request, context)` and `list_models(request, context)`."""

    def __init__(self):
        self.generate = None
        self.list_models = None

    def Generate(self, request, context):  # noqa: N802 - gRPC's name
        return self.generate(request, context)

    async def ListModels(self, request, context):  # noqa: N802 - gRPC's name
        return await self.list_models(request, context) if self.list_models else pb.ListModelsResponse()


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def health():
    return Health()


@pytest.fixture
def inference():
    return Inference()


@pytest.fixture
def serve(stack, inference, health):
    """Starts the server and gives `host:port`."""

    async def serve(address="127.0.0.1:0", authenticate=None, **options):
        services = {SERVICE: partial(pb_grpc.add_InferenceServiceServicer_to_server, inference)}
        authenticate = authenticate or MeshAuthenticator(TOKEN)
        port = await stack.enter_async_context(
            serve_grpc(address, services, authenticate=authenticate, health=health, **{"grace_s": 1.0, **options})
        )
        return f"127.0.0.1:{port}"

    return serve


@pytest.fixture
def connected(stack):
    """Gives a channel to an address."""

    async def connected(address, **options):
        return await stack.enter_async_context(connect(address, **{"mesh_token": TOKEN, **options}))

    return connected


@pytest.fixture
async def stub(serve, connected):
    return pb_grpc.InferenceServiceStub(await connected(await serve()))
