"""WebSockets (RFC 6455) as uvicorn serves them, with the bounds that it lacks."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidMessage
from websockets.frames import Frame

from metaqore_ai_gateway.entrypoints.http_refusal import headers_too_large, malformed, refusal
from metaqore_ai_gateway.entrypoints.http_unread import UnreadWatch

MAX_MESSAGE_BYTES: Final = 4096
"""Clients have nothing to say here."""

PING_S: Final = 20.0
"""How often a client is asked whether it is there, and how long it has to answer, in seconds."""

UNREAD_S: Final = 60.0
"""How long a client may take nothing of what waits for it here, in seconds."""

# uvicorn's own lines hold addresses and queries as the client wrote them.
_LOG: Final = logging.getLogger("metaqore.websocket")
_LOG.setLevel(logging.WARNING)


class BoundedWebSocketProtocol(WebSocketsSansIOProtocol):
    """Ends connections whose client takes nothing any more, and reads nothing from one that does not read.

    Of what a client says only that it speaks is told: what nobody reads is neither gathered nor decoded.
    """

    _early = b""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _LOG
        self._unread = UnreadWatch(self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more will leave."""
        self._unread.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client has much to read: its pings would only add to that."""
        super().pause_writing()
        self.transport.pause_reading()
        self._unread.begin(self.transport, UNREAD_S)

    def resume_writing(self) -> None:
        """It has read most of it."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._unread.stop()
            if not self.read_paused:
                self.transport.resume_reading()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done; what was sent last may be unread."""
        super().on_task_complete(task)
        if not self.disconnected:
            self._unread.begin(self.transport, UNREAD_S)

    def data_received(self, data: bytes) -> None:
        """Uvicorn passes over a handshake that the library cannot read, and waits for ever.

        What comes before the handshake is answered waits for that, and no more is read: a client should wait as well
        (RFC 6455 section 4.1), and the library would answer its pings before the handshake, or take the connection for
        one that failed while it opens.
        """
        if self.handshake_initiated and not self.handshake_complete:
            self._early += data
            self.transport.pause_reading()
            return
        if self.conn.handshake_exc is None:
            super().data_received(data)
        unread = self.conn.handshake_exc
        if unread is not None and not self.handshake_initiated and not self.transport.is_closing():
            error = malformed() if isinstance(unread, InvalidMessage) else headers_too_large()
            self.transport.write(refusal(error))
            self.transport.close()
            self._unread.begin(self.transport, UNREAD_S)

    async def send(self, message: Any) -> None:
        """As uvicorn has it; a handshake that is refused is complete, too, which it would take for a fault."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True
        elif self._early and self.handshake_complete:
            early, self._early = self._early, b""
            if not self.transport.is_closing():
                self.transport.resume_reading()
                self.data_received(early)

    def handle_text(self, event: Frame) -> None:
        """That it speaks, at its first fragment: of empty ones there is no end."""
        super().handle_text(_told(event))

    def handle_bytes(self, event: Frame) -> None:
        """As a text."""
        super().handle_bytes(_told(event))

    def handle_cont(self, event: Frame) -> None:
        """It was told when it began."""


def _told(frame: Frame) -> Frame:
    return replace(frame, data=b"", fin=True)
