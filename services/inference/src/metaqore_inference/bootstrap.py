"""Puts Inference together: the engine, its admission, and the gRPC server before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from metaqore.inference.v1.inference_pb2_grpc import add_InferenceServiceServicer_to_server
from metaqore_inference.adapters.packaged_model import packaged_gguf
from metaqore_inference.adapters.xllamacpp_engine import XllamacppEngine
from metaqore_inference.entrypoints.grpc import InferenceServicer
from metaqore_inference.entrypoints.metrics import serve_gauges
from metaqore_inference.service.admission import Admission
from metaqore_inference.service.generate import Generate, Served
from metaqore_inference.service.ports import Engine
from metaqore_inference.settings import InferenceSettings
from metaqore_mesh.grpc.identity import MeshAuthenticator
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health
from metaqore_mesh.keys import load_mesh_token

SERVICE = "metaqore.inference.v1.InferenceService"


@asynccontextmanager
async def bootstrap(settings: InferenceSettings, health: Health, *, engine: Engine | None = None) -> AsyncIterator[int]:
    """Inference, serving until the block ends; gives its gRPC port. `engine` replaces the one of the settings."""
    group = settings.inference
    token = load_mesh_token(settings.mesh_token_file)
    serving: Engine = engine if engine is not None else await asyncio.to_thread(_load, settings)
    admission = Admission(serving.slots, group.queue_limit)
    serve_gauges(admission)
    generate = Generate({serving.model.id: Served(serving, admission)})
    servicer = InferenceServicer(generate, group.default_deadline_s)
    register = partial(add_InferenceServiceServicer_to_server, servicer)
    try:
        async with serve_grpc(
            f"{group.host}:{group.grpc_port}",
            {SERVICE: register},
            authenticate=MeshAuthenticator(token),
            health=health,
        ) as port:
            yield port
    finally:
        await serving.close()


def _load(settings: InferenceSettings) -> XllamacppEngine:
    group = settings.inference
    return XllamacppEngine.load(
        group.model,
        group.model_file or packaged_gguf(group.model_package),
        slots=group.slots,
        context_tokens=group.context_tokens,
        threads=group.threads,
        default_max_tokens=group.default_max_tokens,
    )
