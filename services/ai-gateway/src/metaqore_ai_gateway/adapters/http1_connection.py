"""One HTTP/1.1 connection of a client (RFC 9112), one exchange at a time, parsed by llhttp."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from typing import Final, cast

import httptools

PAUSE_ABOVE_BYTES: Final = 256 * 1024
"""From here on unread, the peer is not read from until the reader caught up."""

MAX_HEAD_BYTES: Final = 64 * 1024
"""So much may come before an answer's last header, interim answers too, and between two pieces of its body or behind
the last: extensions of chunks, trailers. The parser puts a field together piece by piece, in quadratic time."""

_INFORMATIONAL: Final = range(100, 200)


class ExchangeError(Exception):
    """The exchange cannot go on. `nothing_received` where not a byte of an answer came."""

    def __init__(self, message: str, *, nothing_received: bool = False) -> None:
        super().__init__(message)
        self.nothing_received = nothing_received


class ExchangeTimeoutError(ExchangeError):
    """The exchange took longer than it may."""


class Http1Connection(asyncio.Protocol):
    """Sends a whole request, then gives the head of the answer and its body as it comes.

    The order is `send`, `head`, `read` until it gives None; then the connection may be used again if `reusable`.
    Whoever does not read to the end calls `abort`, or sets `ending` where nothing but the end is to come.
    """

    def __init__(self) -> None:
        self.reused = False
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ends = 0.0
        self._lost = False
        self._parser = httptools.HttpResponseParser(self)
        self._reset()

    def _reset(self) -> None:
        self._parts: list[bytes] = []
        self._unread_bytes = 0
        self._aside_bytes = 0
        self._paused = False
        self._started = False
        self._has_head = False
        self._complete = False
        self._framed = False
        self._error: ExchangeError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline: float | None = None
        self._keep_alive = False
        self.ending = False
        self._on_end: Callable[[Http1Connection], None] | None = None
        self.headers: dict[bytes, bytes] = {}
        self.status = 0

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow."""
        return self._complete and self._keep_alive and not self._lost

    @property
    def idle(self) -> bool:
        """Whether it is still open, and silent as an idle connection must be."""
        return not self._lost and not self._started

    def send(self, request: bytes, deadline: float) -> None:
        """Begin an exchange. After `deadline`, on the loop's clock, every wait raises `ExchangeTimeoutError`."""
        if self._complete:
            self._reset()
        self._limit(deadline)
        if self._transport is not None:  # else it is lost already, as whoever waits is told
            self._transport.write(request)

    async def head(self) -> int:
        """The status of the answer; `headers` has the rest, names in lower case. Raises `ExchangeError`."""
        while not self._has_head:
            await self._wait()
        return self.status

    async def read(self) -> bytes | None:
        """What came of the body since the last read; None at its end. Raises `ExchangeError`."""
        while not self._parts:
            if self._complete:
                return None
            await self._wait()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._unread_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def read_all(self, limit_bytes: int) -> bytes:
        """The whole body. Raises `ExchangeError`, also above `limit_bytes`."""
        parts: list[bytes] = []
        size_bytes = 0
        while (part := await self.read()) is not None:
            size_bytes += len(part)
            if size_bytes > limit_bytes:
                raise ExchangeError(f"the body is larger than {limit_bytes} bytes")
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def end_within(self, seconds: float, then: Callable[[Http1Connection], None]) -> None:
        """Call `then` at the end of the answer, of which nothing is read any more; close where it takes longer."""
        self.ending = False
        self._on_end = then
        self._limit(self.now() + seconds)

    def abort(self) -> None:
        """Close at once: the peer sees that nobody reads any more."""
        self._lost = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    def _wait(self) -> asyncio.Future[None]:
        """A future of the next piece, or the end. Raises what ended the exchange."""
        if self._error is not None:
            raise copy(self._error)  # kept itself, its traceback would keep this connection, and whoever waited on it
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: ExchangeError) -> None:
        if self._error is None and not self._complete:
            self._error = error
            self._wake()
        self.abort()

    def _limit(self, deadline: float) -> None:
        """End the exchange at `deadline`. A timer serves the exchanges to come, too, where it is not late for them."""
        self._deadline = deadline
        if self._timer is None or self._timer_ends > deadline:
            self._stop_timer()
            self._timer = self._loop.call_at(deadline, self._look_at_clock)
            self._timer_ends = deadline

    def _look_at_clock(self) -> None:
        self._timer = None
        if self._deadline is None:
            return  # idle
        if self._deadline > self._timer_ends:
            self._limit(self._deadline)
        else:
            self._fail(ExchangeTimeoutError("no whole answer before the deadline"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End of file. It ends the body of an answer that says no length (RFC 9112 section 6.3, rule 8)."""
        del exc
        self._lost = True
        if self._has_head and not self._framed and not self._complete:
            self.on_message_complete()
        self._fail(ExchangeError("the connection was closed", nothing_received=not self._started))
        # Both know this connection, too: all that it received would stay until the collector comes.
        del self._parser
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._started = True
        if self._complete:
            self.abort()  # nobody asked for this
            return
        self._aside_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(ExchangeError("the answer is not HTTP/1.1"))
        if self._aside_bytes > MAX_HEAD_BYTES:
            self._fail(ExchangeError("the head or the trailers of the answer are too large"))
        if self._unread_bytes > PAUSE_ABOVE_BYTES and not self._paused and not self._lost and self._transport:
            self._paused = True
            self._transport.pause_reading()

    # httptools

    def on_message_begin(self) -> None:
        """A head begins. Behind a whole answer nobody asked for it: read on, it would pass for the next one's."""
        if self._complete:
            raise ExchangeError("an answer came that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field, or a trailer, which is dropped."""
        if not self._has_head:
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The head is there, unless it is an interim one."""
        self.status = self._parser.get_status_code()
        if self.status in _INFORMATIONAL:
            self.headers.clear()
            return
        self._framed = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        self._has_head = True
        self._aside_bytes = 0
        self._wake()

    def on_body(self, body: bytes) -> None:
        """Part of the body, out of its transfer coding."""
        self._aside_bytes = 0
        self._parts.append(body)
        self._unread_bytes += len(body)
        self._wake()

    def on_message_complete(self) -> None:
        """The end of the message."""
        if self.status in _INFORMATIONAL:
            return
        self._complete = True
        self._keep_alive = self._framed and self._parser.should_keep_alive()
        self._deadline = None
        self._started = False
        self._wake()
        if self._on_end is not None:
            self._loop.call_soon(self._on_end, self)
