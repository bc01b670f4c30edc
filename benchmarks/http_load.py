"""A lean HTTP/1.1 load generator: raw connections on uvloop, each with one request at a time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import cast

OK = b"HTTP/1.1 200"


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: a port on this machine, and the key that is shown there."""

    port: int
    api_key: str = ""

    def request(self, body: bytes) -> bytes:
        """The bytes of a chat request."""
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {self.api_key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class _Unary(asyncio.Protocol):
    """Sends the next request as soon as an answer is whole, until there is none to send."""

    def __init__(self, request: bytes, left: list[int], latencies_s: list[float]) -> None:
        self._request = request
        self._left = left
        self._latencies_s = latencies_s
        self._received = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))

    def _next(self) -> None:
        if not self._left[0]:
            self.done.set_result(None)
            self._transport.close()
            return
        self._left[0] -= 1
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self._received.find(b"content-length: ")
        size = int(self._received[at + 16 : self._received.find(b"\r\n", at)])
        if len(self._received) < end + 4 + size:
            return
        if not self._received.startswith(OK):
            self.done.set_exception(RuntimeError(self._received[:300].decode("latin-1")))
            return
        self._latencies_s.append(time.perf_counter() - self._sent)
        self._received = b""
        self._next()


class _Stream(asyncio.Protocol):
    """Sends one request for a stream and counts its frames, which carry their numbers."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self.in_order = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n\n")
        for line in lines:
            if b'"word%d "' % self.in_order in line:
                self.in_order += 1
            elif b"[DONE]" in line:
                self.done.set_result(None)
                self._transport.close()


@dataclass(slots=True)
class Load:
    """What came back: the latency of each unary request in seconds, or the frames that came in order."""

    latencies_s: list[float] = field(default_factory=list)
    frames: int = 0
    wall_s: float = 0.0

    @property
    def p50_ms(self) -> float:
        """The median latency in milliseconds."""
        return sorted(self.latencies_s)[len(self.latencies_s) // 2] * 1000


async def unary_load(target: Target, body: bytes, *, connections: int, requests: int) -> Load:
    """Send `requests` in all over `connections`. Raises where one is not answered with 200."""
    load, left = Load(), [requests]
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    request = target.request(body)
    made = [
        await loop.create_connection(lambda: _Unary(request, left, load.latencies_s), "127.0.0.1", target.port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    load.wall_s = time.perf_counter() - started
    return load


async def stream_load(target: Target, body: bytes, *, streams: int) -> Load:
    """Open `streams` streams and read them to their end."""
    load = Load()
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    request = target.request(body)
    made = [await loop.create_connection(lambda: _Stream(request), "127.0.0.1", target.port) for _ in range(streams)]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    load.frames = sum(protocol.in_order for _, protocol in made)
    load.wall_s = time.perf_counter() - started
    return load
