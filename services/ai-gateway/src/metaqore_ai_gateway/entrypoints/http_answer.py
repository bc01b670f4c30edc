"""What the hot plane answers: JSON or server-sent events, and errors in OpenAI's shape."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from metaqore_ai_gateway.domain.chat import InvalidChatError
from metaqore_ai_gateway.entrypoints.http_request import Scope, Send
from metaqore_ai_gateway.entrypoints.http_whole import WHOLE, Whole
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.errors import http_headers, http_status, openai_error

HeaderList = list[tuple[bytes, bytes]]

encode_json: Final = msgspec.json.Encoder().encode

JSON: Final = (b"content-type", b"application/json")
EVENTS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
DONE: Final = b"data: [DONE]\n\n"

# What HTTP says more exactly than the kind of the error does.
_STATUS: Final = {
    "method_not_allowed": 405,
    "provider_failed": 502,
    "provider_unreachable": 502,
    "unsupported_media_type": 415,
}


class Answer(Protocol):
    """Where an answer goes. Whole at once, or begun, then in pieces, then ended."""

    @property
    def begun(self) -> bool:
        """Whether a head has been sent."""
        ...

    async def whole(self, status: int, headers: HeaderList, body: bytes, *, keep: bool) -> None:
        """Send everything. `keep`: a repeat of the request may get the same again."""
        ...

    async def begin(self, headers: HeaderList) -> None:
        """Send the head of a stream."""
        ...

    async def piece(self, data: bytes) -> None:
        """Send a part of a stream."""
        ...

    async def end(self, data: bytes, *, keep: bool) -> None:
        """Send the last part of a stream."""
        ...


class AsgiAnswer:
    """The answer of an ASGI application."""

    __slots__ = ("_send", "_whole", "begun")

    def __init__(self, send: Send, scope: Scope) -> None:
        self._send = send
        self._whole: Whole = scope.get("extensions", {}).get(WHOLE) or self._in_two
        self.begun = False

    async def whole(self, status: int, headers: HeaderList, body: bytes, *, keep: bool) -> None:
        """See `Answer`."""
        del keep
        self.begun = True
        await self._whole(status, headers, body)

    async def _in_two(self, status: int, headers: HeaderList, body: bytes) -> None:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, headers: HeaderList) -> None:
        """See `Answer`."""
        self.begun = True
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def piece(self, data: bytes) -> None:
        """See `Answer`."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes, *, keep: bool) -> None:
        """See `Answer`."""
        del keep
        await self._send({"type": "http.response.body", "body": data})


def event(data: bytes) -> bytes:
    """A server-sent event (WHATWG HTML, section 9.2.6) with this data."""
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    return b"data: %b\n\n" % data


def status_of(error: MetaQoreError) -> int:
    """The HTTP status of an error on this plane."""
    return _STATUS.get(error.code) or http_status(error)


def error_body(error: MetaQoreError) -> bytes:
    """The error in OpenAI's shape."""
    param = error.param if isinstance(error, InvalidChatError) else None
    return encode_json(openai_error(error, param=param))


async def answer_error(answer: Answer, error: MetaQoreError, headers: HeaderList) -> None:
    """Send an error as the whole answer, or, where a stream has begun, as its last event."""
    if answer.begun:
        await answer.end(event(error_body(error)), keep=False)
        return
    told = [(name.encode(), value.encode()) for name, value in http_headers(error).items()]
    await answer.whole(status_of(error), [JSON, *told, *headers], error_body(error), keep=not error.retryable)
