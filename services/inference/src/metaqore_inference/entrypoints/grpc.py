"""`inference.v1` over gRPC: parse, call, answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec

from metaqore.inference.v1 import inference_pb2 as pb
from metaqore.inference.v1 import inference_pb2_grpc
from metaqore_governance_core.errors import MetaQoreError
from metaqore_inference.service.generate import Finished, Generate, Piece
from metaqore_mesh.grpc.handlers import Context

_DECODER = msgspec.json.Decoder(dict[str, Any])


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """Answers `Generate` and `ListModels`. Errors are mapped by the chassis."""

    def __init__(self, generate: Generate, default_deadline_s: float) -> None:
        self._generate = generate
        self._default_deadline_s = default_deadline_s

    async def Generate(  # noqa: N802 - the name in the contract
        self, request: pb.GenerateRequest, context: Context
    ) -> AsyncIterator[pb.GenerateResponse]:
        """Chunks or the whole completion, then how it finished."""
        chat = _chat_request(request.chat_request)
        left = context.time_remaining()
        deadline_s = self._default_deadline_s if left is None else left
        answer = self._generate(request.model, chat, stream=request.stream, deadline_s=deadline_s)
        async with aclosing(answer) as events:
            async for event in events:
                yield _response(event, stream=request.stream)

    async def ListModels(  # noqa: N802 - the name in the contract
        self,
        request: pb.ListModelsRequest,  # noqa: ARG002 - empty
        context: Context,  # noqa: ARG002 - not needed
    ) -> pb.ListModelsResponse:
        """The models served here."""
        return pb.ListModelsResponse(
            models=[
                pb.Model(id=model.id, engine=model.engine, context_tokens=model.context_tokens)
                for model in self._generate.models()
            ]
        )


def _chat_request(raw: bytes) -> dict[str, Any]:
    try:
        return _DECODER.decode(raw)
    except msgspec.DecodeError as error:
        raise MetaQoreError(
            "chat_request_invalid", f"`chat_request` is not a JSON object: {error}. Send an OpenAI chat completion."
        ) from error


def _response(event: Piece | Finished, *, stream: bool) -> pb.GenerateResponse:
    if isinstance(event, Piece):
        body = msgspec.json.encode(event.body)
        return pb.GenerateResponse(chunk=body) if stream else pb.GenerateResponse(completion=body)
    usage = event.usage
    return pb.GenerateResponse(
        finished=pb.Finished(
            finish_reason=usage.finish_reason,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            queue_us=event.queue_us,
        )
    )
