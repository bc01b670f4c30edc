"""Upstreams that follow a script: one that speaks OpenAI's HTTP, one that speaks inference.v1."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import pytest

from metaqore.inference.v1 import inference_pb2 as pb
from metaqore.inference.v1 import inference_pb2_grpc
from metaqore_ai_gateway.adapters.provider_inference import InferenceProvider
from metaqore_ai_gateway.adapters.provider_openai import OpenAIProvider
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.errors import grpc_code, grpc_trailing_metadata
from metaqore_mesh.grpc.channel import connect


def chunk(number, finish=None):
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": f"w{number}"}, "finish_reason": finish}],
    }


USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
USAGE_CHUNK = {"object": "chat.completion.chunk", "choices": [], "usage": USAGE}
WHOLE = {
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hé"}, "finish_reason": "stop"}],
    "usage": USAGE,
}


@dataclass
class Upstream:
    """What it is to do, and what it has seen."""

    behaviour: str = "answer"
    frames: int = 5
    seen: list = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    error_headers: str = ""

    def chunks(self):
        return [chunk(number, "stop" if number == self.frames - 1 else None) for number in range(self.frames)]


NO_JSON = {
    "not json": b"not JSON",
    "no utf-8": b'{"choices":[{"message":{"content":"h\xe9"},"finish_reason":"stop"}]}',
    "too deep": b'{"choices":[],"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
}
NOBODY_ANSWERS = {
    "empty": b"{}",
    "no choices": b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":0}}',
    "choices of null": b'{"choices":null,"usage":null}',
}
STATUS = {"overloaded": 429, "refused": 400, "too long": 400, "failed": 500}
TOO_LONG = "context_length_exceeded"


class HttpUpstream(Upstream):
    """As `benchmarks/stub_upstream.py`, but it misbehaves on request."""

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while await self.exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            self.left.set()
        finally:
            writer.close()

    async def exchange(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")
        )
        body = json.loads(await reader.readexactly(length))
        self.seen.append((head, body))
        if self.behaviour in STATUS:
            code = TOO_LONG if self.behaviour == "too long" else "some_code"
            error = json.dumps({"error": {"message": "no: my prompt", "code": code}}).encode()
            await self.send(
                writer,
                f"HTTP/1.1 {STATUS[self.behaviour]} X\r\n{self.error_headers}content-length: {len(error)}\r\n\r\n",
                error,
            )
        elif self.behaviour == "garbage":
            await self.send(writer, "", b"\x00\x01 not HTTP at all\r\n\r\n")
        elif self.behaviour == "failed deep":
            error = NO_JSON["too deep"]
            await self.send(writer, f"HTTP/1.1 500 X\r\ncontent-length: {len(error)}\r\n\r\n", error)
        elif self.behaviour == "failed, hangs":
            await self.send(writer, "HTTP/1.1 500 X\r\ncontent-length: 9\r\n\r\n", b"{")
            await reader.read()
            self.left.set()
        elif self.behaviour == "hang":
            await reader.read()
            self.left.set()
        elif body["stream"]:
            return await self.stream(reader, writer)
        else:
            whole = (NO_JSON | NOBODY_ANSWERS).get(self.behaviour) or json.dumps(WHOLE, ensure_ascii=False).encode()
            await self.send(writer, f"HTTP/1.1 200 OK\r\ncontent-length: {len(whole)}\r\n\r\n", whole)
        return self.behaviour not in {"garbage", "failed, hangs", "hang"}

    async def stream(self, reader, writer):
        await self.send(writer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"")
        for number, each in enumerate(self.chunks()):
            if number == 2 and self.behaviour == "cut off":
                return False
            if number == 2 and self.behaviour == "ends midway":
                await self.send(writer, "0\r\n\r\n", b"")
                return True
            if number == 2 and self.behaviour == "hang midway":
                await reader.read()
                self.left.set()
                return False
            if number == 2 and self.behaviour == "error midway":
                await self.frame(writer, b'{"error": {"message": "out of memory"}}')
            else:
                await self.frame(writer, NO_JSON.get(self.behaviour) or json.dumps(each).encode())
        await self.frame(writer, json.dumps(USAGE_CHUNK).encode())
        if self.behaviour != "no done":
            await self.frame(writer, b"[DONE]")
        await self.send(writer, "0\r\n\r\n", b"")
        return True

    async def frame(self, writer, data):
        event = b"data: " + data + b"\n\n"
        await self.send(writer, f"{len(event):x}\r\n", event + b"\r\n")

    async def send(self, writer, head, body):
        writer.write(head.encode() + body)
        await writer.drain()
        await asyncio.sleep(0)


ERRORS = {
    "overloaded": MetaQoreError("queue_full", "my prompt", kind=ErrorKind.EXHAUSTED, retryable=True),
    "refused": MetaQoreError("context_exceeded", "my prompt", kind=ErrorKind.INVALID),
    "too long": MetaQoreError(TOO_LONG, "my prompt", kind=ErrorKind.INVALID),
    "failed": MetaQoreError("internal", "my prompt", kind=ErrorKind.INTERNAL),
    "error midway": MetaQoreError("engine_failed", "my prompt", kind=ErrorKind.INTERNAL),
}


class GrpcUpstream(Upstream, inference_pb2_grpc.InferenceServiceServicer):
    """An Inference service without a model."""

    async def Generate(self, request, context):  # noqa: N802 - the name in the contract
        self.seen.append((dict(context.invocation_metadata()), json.loads(request.chat_request)))
        try:
            await self.fail(context, {"overloaded", "refused", "too long", "failed"})
            if self.behaviour == "hang":
                await asyncio.sleep(60)
            if request.stream:
                for number, each in enumerate(self.chunks()):
                    if number == 2 and self.behaviour == "cut off":
                        return
                    if number == 2 and self.behaviour == "hang midway":
                        await asyncio.sleep(60)
                    if number == 2:
                        await self.fail(context, {"error midway"})
                    yield pb.GenerateResponse(chunk=json.dumps(each).encode())
                yield pb.GenerateResponse(chunk=json.dumps(USAGE_CHUNK).encode())
            else:
                yield pb.GenerateResponse(completion=json.dumps(WHOLE, ensure_ascii=False).encode())
            yield pb.GenerateResponse(finished=pb.Finished(finish_reason="stop", prompt_tokens=7, completion_tokens=3))
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise

    async def fail(self, context, behaviours):
        if self.behaviour in behaviours:
            error = ERRORS[self.behaviour]
            await context.abort(grpc_code(error), error.message, grpc_trailing_metadata(error))


@asynccontextmanager
async def http_pair():
    upstream = HttpUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    provider = OpenAIProvider("up", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "provider-key")
    try:
        yield provider, upstream
    finally:
        await provider.close()
        server.close()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def grpc_pair():
    upstream = GrpcUpstream()
    server = grpc.aio.server()
    inference_pb2_grpc.add_InferenceServiceServicer_to_server(upstream, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with connect(f"127.0.0.1:{port}", mesh_token="token") as channel:
            yield InferenceProvider("up", channel), upstream
    finally:
        await server.stop(0)


@pytest.fixture
async def http():
    async with http_pair() as pair:
        yield pair


@pytest.fixture
async def inference():
    async with grpc_pair() as pair:
        yield pair


@pytest.fixture
def whole():
    return WHOLE
