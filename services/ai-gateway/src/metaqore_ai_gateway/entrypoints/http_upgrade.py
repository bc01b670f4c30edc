"""Goes on in HTTP/1.1 where a client offers another protocol, as Java's HttpClient does with `Upgrade: h2c`."""

from __future__ import annotations

import asyncio
from typing import Final

import httptools

from metaqore_ai_gateway.entrypoints.http_whole import WholeAnswerProtocol

_CONNECT: Final = b"CONNECT"


class OfferedUpgradeProtocol(WholeAnswerProtocol):
    """A server may pass an offer over (RFC 9110 section 7.8), but httptools stops at one and skips the body.

    So what it tells of such a request is held back, and its head is read a second time, without the offer. The only
    offer taken is a WebSocket.
    """

    def data_received(self, data: bytes) -> None:
        """As uvicorn has it, but for the offer."""
        self._unset_keepalive_if_required()
        rest: bytes | memoryview = data
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserError:
                self.send_400_response("")
            except httptools.HttpParserUpgrade as offer:
                rest = memoryview(rest)[offer.args[0] :]
                if self._should_upgrade() and (self.cycle is None or self.cycle.response_complete):
                    self.open_websocket(bytes(rest))
                elif self._read_again():
                    continue
            return

    def open_websocket(self, rest: bytes) -> None:
        """Hand the connection over. `rest` came behind the handshake."""
        self.handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        if rest and isinstance(protocol, asyncio.Protocol) and not self.transport.is_closing():
            protocol.data_received(rest)

    def on_headers_complete(self) -> None:
        """The head is whole; one with an offer comes again."""
        if self.parser.should_upgrade() and self.parser.get_method() != _CONNECT:
            self.scope["method"] = self.parser.get_method().decode("ascii")
            return
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole, unless all but its head is still to be read."""
        if not self.parser.should_upgrade() or self.parser.get_method() == _CONNECT:
            super().on_message_complete()

    def _read_again(self) -> bool:
        """Whether the request can go on: its head is read by a new parser."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode("ascii")
        if method == _CONNECT:
            self.send_400_response("")
            return False
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(lines))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
        try:
            self.parser.feed_data(head)
        except httptools.HttpParserError:
            self.send_400_response("")
            return False
        return True
