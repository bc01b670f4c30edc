"""The provider port over the mesh's own Inference service (gRPC)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

import grpc
import msgspec

from metaqore.inference.v1 import inference_pb2 as pb
from metaqore.inference.v1.inference_pb2_grpc import InferenceServiceStub
from metaqore_ai_gateway.adapters import provider_errors
from metaqore_ai_gateway.adapters.completions import asks_for_usage, read_completion
from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.service.ports import ProviderCall
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.errors import error_of_call

_encode: Final = msgspec.json.Encoder().encode


class InferenceProvider:
    """The port `Provider`. The channel brings the mesh token, and the trace where traces are on."""

    def __init__(self, name: str, channel: grpc.aio.Channel) -> None:
        self._name = name
        self._generate: Callable[..., Any] = InferenceServiceStub(channel).Generate

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    async def close(self) -> None:
        """Nothing to do: whoever made the channel closes it."""

    async def generate(self, call: ProviderCall) -> AsyncGenerator[bytes | Usage, None]:
        """See the port."""
        left_s = call.deadline - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise provider_errors.deadline_exceeded()
        request = pb.GenerateRequest(model=call.model, chat_request=_encode(call.body), stream=call.stream)
        metadata = (("traceparent", call.traceparent),) if call.traceparent else ()
        usage_wanted = asks_for_usage(call.body)
        answered = finished = False
        running = self._generate(request, timeout=left_s, metadata=metadata)
        try:
            async for response in running:
                answered = True
                match response.WhichOneof("event"):
                    case "chunk":
                        if usage_wanted or not read_completion(response.chunk).usage_alone:
                            yield response.chunk
                    case "completion":
                        yield response.completion
                    case "finished":
                        finished = True
                        yield _usage(response.finished)
        except grpc.RpcError as error:
            raise _translated(error_of_call(error), answered=answered) from error
        finally:
            running.cancel()
        if not finished:
            raise provider_errors.failed("stream_cut_off")


def _usage(finished: pb.Finished) -> Usage:
    return Usage(finished.finish_reason or None, finished.prompt_tokens, finished.completion_tokens)


def _translated(error: MetaQoreError, *, answered: bool) -> MetaQoreError:
    match error.kind:
        case ErrorKind.DEADLINE_EXCEEDED:
            return provider_errors.deadline_exceeded()
        case ErrorKind.EXHAUSTED:
            return provider_errors.overloaded()
        case ErrorKind.INVALID | ErrorKind.UNPROCESSABLE | ErrorKind.TOO_LARGE:
            return provider_errors.refused(error.code)
        case ErrorKind.UNAVAILABLE if not answered:
            return provider_errors.unreachable()
        case _:
            return provider_errors.failed(error.code)
