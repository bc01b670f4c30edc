"""HTTP/1.1 as uvicorn reads it, with the bounds that it lacks."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from metaqore_ai_gateway.entrypoints.http_whole import WholeAnswerProtocol

MAX_HEAD_BYTES: Final = 64 * 1024
"""So much may a request's line and headers take together; more is not read."""

REQUEST_S: Final = 60.0
"""How long a request may take to arrive whole, from the connection or from its first piece on, in seconds."""

_TOO_LARGE: Final = "The request's headers are too large."
_TOO_SLOW: Final = "The request took too long to arrive."


class BoundedHttpProtocol(WholeAnswerProtocol):
    """Ends connections whose request never ends: one that only waits costs a file, one that sends headers, memory.

    Trailers are read and dropped (RFC 9110 section 6.5.1): merged into the headers, they could stand in for a key or a
    label that a proxy in front of us checked.
    """

    _head_bytes = 0
    _in_head = False
    _whole = True
    _arriving: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The clock runs from here: a connection that sends nothing ends too."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._arriving = self.loop.call_later(REQUEST_S, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will arrive."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Most requests come in one piece; the clock runs for the others."""
        began_in_head = self._in_head
        super().data_received(data)
        if self._whole:
            self._stop_clock()
            return
        if self._arriving is None:
            self._arriving = self.loop.call_later(REQUEST_S, self._too_slow)
        if began_in_head and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_head, self._whole, self._head_bytes = True, False, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is dropped."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._whole = True
        super().on_message_complete()

    def _stop_clock(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _too_slow(self) -> None:
        self._arriving = None
        if self.pipeline:  # we do not read: the answer to the request before is under way
            self._arriving = self.loop.call_later(REQUEST_S, self._too_slow)
        else:
            self._refuse(_TOO_SLOW)

    def _refuse(self, message: str) -> None:
        self._in_head = False
        transport: Any = self.transport
        if transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response(message)
        else:
            transport.close()  # an answer is under way, so nothing can be said in between
