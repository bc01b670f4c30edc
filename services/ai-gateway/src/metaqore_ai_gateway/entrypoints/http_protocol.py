"""HTTP/1.1 as uvicorn reads it, with the bounds that it lacks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from metaqore_ai_gateway.entrypoints.http_refusal import (
    headers_too_large,
    malformed,
    refusal,
    tell_too_many,
    too_many_connections,
    too_slow,
)
from metaqore_ai_gateway.entrypoints.http_unread import UnreadWatch
from metaqore_ai_gateway.entrypoints.http_upgrade import OfferedUpgradeProtocol
from metaqore_governance_core.errors import MetaQoreError

MAX_HEAD_BYTES: Final = 64 * 1024
"""So much may a request's line and headers take together, and what stands between two pieces of its body or behind the
last: sizes of chunks and their extensions, trailers. More is not read: the parser puts a field together piece by piece,
in quadratic time."""

REQUEST_S: Final = 60.0
"""How long a request may take to arrive whole, from the connection or from its first piece on, in seconds."""

LINGER_S: Final = 15.0
LINGER_BYTES: Final = 64 * 1024 * 1024
"""So long, and so much, of a request is read that has its answer already (RFC 9112 section 9.6): closed at once, the
client would lose the answer; read to its end, a stranger's body would cost what it likes."""

REFUSAL_S: Final = 5.0
"""How long a request on a connection above the limit may take to arrive, to be told so, in seconds."""

UNREAD_S: Final = 60.0
"""How long a client may take nothing of what waits for it here, in seconds. The kernel holds some megabytes more, and
takes them in large pieces, so this is no time for a slow client.
"""

OVERFLOW: Final = 256
"""So many connections above the limit are told so; those above that are closed without a word."""


class BoundedHttpProtocol(OfferedUpgradeProtocol):
    """Ends connections whose request never ends: one that only waits costs a file, one that sends headers, memory.
    And those whose client takes no more of its answer, which is kept for it, or would let us wait.

    No transfer coding but chunked is undone here, and the parser would take what is left of others for the body.
    Trailers are read and dropped (RFC 9110 section 6.5.1): merged into the headers, they could stand in for a key or a
    label that a proxy in front of us checked.
    """

    _aside_bytes = 0
    _in_head = False
    _came_on = False
    _whole = True
    _arriving: asyncio.TimerHandle | None = None
    _spare_bytes = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most = self.limit_concurrency
        self.limit_concurrency = None  # uvicorn's own refusal is no JSON, and counts tasks of its own
        self._unread = UnreadWatch(self.loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The clock runs from here: a connection that sends nothing ends too."""
        super().connection_made(transport)  # type: ignore[arg-type]
        arrives_in_s = REQUEST_S
        if self._most is not None and len(self.connections) > self._most:
            if len(self.connections) > self._most + OVERFLOW:
                self.transport.abort()
                return
            self.app = tell_too_many
            arrives_in_s = REFUSAL_S
        self._arriving = self.loop.call_later(arrives_in_s, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will arrive, or leave."""
        self._stop_clock()
        self._unread.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Most requests come in one piece; the clock runs for the others."""
        self._came_on = False
        super().data_received(data)
        if self._whole:
            self._stop_clock()
            return
        if self._arriving is None:
            self._arriving = self.loop.call_later(REQUEST_S, self._too_slow)
        if self._lingers():
            self._spare_bytes -= len(data)
            if self._spare_bytes < 0:
                self.transport.abort()
        self._aside_bytes = 0 if self._came_on else self._aside_bytes + len(data)
        if self._aside_bytes > MAX_HEAD_BYTES:
            self._refuse(headers_too_large())

    def open_websocket(self, rest: bytes) -> None:
        """Hand the connection over, unless it is one above the limit."""
        if self.app is tell_too_many:
            self._refuse(too_many_connections())
            return
        self._stop_clock()
        super().open_websocket(rest)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._whole, self._came_on = True, False, True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is dropped."""
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            elif name == b"transfer-encoding" and value.lower() != b"chunked":
                raise ValueError("a transfer coding that is not undone here")  # ends the parsing
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head, self._came_on = False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        self._came_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer may come before the request is whole: then not much more of it is read."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch_unread()
        if not self._whole and self._lingers() and not self.transport.is_closing():
            self._stop_clock()
            self._spare_bytes = LINGER_BYTES
            self._arriving = self.loop.call_later(LINGER_S, self._too_slow)

    def pause_writing(self) -> None:
        """The client has much to read."""
        super().pause_writing()
        self._watch_unread()

    def resume_writing(self) -> None:
        """It has read most of it."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._unread.stop()

    def timeout_keep_alive_handler(self) -> None:
        """The end of a connection that nobody uses; what was sent last may be unread."""
        super().timeout_keep_alive_handler()
        self._watch_unread()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn cannot read as HTTP."""
        del msg
        self._refuse(malformed())

    def _lingers(self) -> bool:
        return not self._whole and not self._in_head and self.cycle is not None and self.cycle.response_complete

    def _stop_clock(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _watch_unread(self) -> None:
        """Closing, too, waits for the client to read."""
        self._unread.begin(self.transport, UNREAD_S)

    def _too_slow(self) -> None:
        self._arriving = None
        if self.pipeline:  # we do not read: the answer to the request before is under way
            self._arriving = self.loop.call_later(REQUEST_S, self._too_slow)
        else:
            self._refuse(too_slow())

    def _refuse(self, error: MetaQoreError) -> None:
        if self.transport.is_closing():
            return
        if self._may_be_told():
            self.transport.write(refusal(error))
        self._in_head = False
        self.transport.close()
        self._watch_unread()

    def _may_be_told(self) -> bool:
        """Whether a response would be taken for the answer to what is wrong: not while another one is under way."""
        if self.cycle is None or self.cycle.response_complete:
            return not self._lingers()
        return not self.cycle.response_started and not self._in_head and not self._whole
