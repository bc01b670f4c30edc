"""A lean OpenAI-compatible upstream for benchmarks: one process, a raw protocol on uvloop, fixed answers.

    python benchmarks/stub_upstream.py --port 0 --frames 64 --interval-ms 50

Its first line of output is the port. A body with `"stream":true` gets `--frames` frames, one each `--interval-ms`, each
with its number in it, then `[DONE]`; any other body gets one completion at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Final, cast

import uvloop

USAGE: Final = {"prompt_tokens": 256, "completion_tokens": 64, "total_tokens": 320}
ANSWER: Final = "All work and no play makes a dull benchmark. " * 12
CREATED: Final = 1_700_000_000


def _http(content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _dumps(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


COMPLETION: Final = _http(
    "application/json",
    _dumps(
        {
            "id": "chatcmpl-stub",
            "object": "chat.completion",
            "created": CREATED,
            "model": "stub",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"},
            ],
            "usage": USAGE,
        }
    ),
)
STREAM_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def _chunked(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def frame(number: int, last: int) -> bytes:
    """One frame of a stream, in an HTTP chunk of its own."""
    choice = {"index": 0, "delta": {"content": f"word{number} "}, "finish_reason": "stop" if number == last else None}
    chunk = {
        "id": "chatcmpl-stub",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "stub",
        "choices": [choice],
    }
    return _chunked(b"data: " + _dumps(chunk) + b"\n\n")


def _end() -> bytes:
    usage = {"id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": CREATED, "model": "stub"}
    return (
        _chunked(b"data: " + _dumps({**usage, "choices": [], "usage": USAGE}) + b"\n\ndata: [DONE]\n\n") + b"0\r\n\r\n"
    )


class Upstream(asyncio.Protocol):
    """One connection with a client that sends whole requests with a content-length, one after the other."""

    def __init__(self, frames: list[bytes], interval_s: float) -> None:
        self._frames = frames
        self._interval_s = interval_s
        self._received = b""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let streams that still run end."""
        del exc
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._received) < end + 4 + size:
                return
            body = self._received[end + 4 : end + 4 + size]
            self._received = self._received[end + 4 + size :]
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        if self._transport is None:
            return
        if b'"stream":true' in body or b'"stream": true' in body:
            self._transport.write(STREAM_HEAD)
            self._send(0, self._loop.time())
        else:
            self._transport.write(COMPLETION)

    def _send(self, number: int, started: float) -> None:
        if self._transport is None:
            return
        if number < len(self._frames):
            self._transport.write(self._frames[number])
            self._loop.call_at(started + (number + 1) * self._interval_s, self._send, number + 1, started)
        else:
            self._transport.write(_end())


async def serve(port: int, frames: int, interval_s: float) -> None:
    """Serve until the process is ended."""
    prepared = [frame(number, frames - 1) for number in range(frames)]
    server = await asyncio.get_running_loop().create_server(
        lambda: Upstream(prepared, interval_s), "127.0.0.1", port, backlog=2048
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--interval-ms", type=float, default=50.0)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(arguments.port, arguments.frames, arguments.interval_ms / 1000))


if __name__ == "__main__":
    main()
