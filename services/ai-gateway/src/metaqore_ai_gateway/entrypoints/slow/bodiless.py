"""Answers without their body: to HEAD, and where the client says that it has it (RFC 9110 sections 9.3.2, 13.1.2)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Final

from metaqore_ai_gateway.entrypoints.http_request import Message, Receive, Scope, Send, headers_of, text_of

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

ASKED: Final = "metaqore.bodiless"
"""Where the scope of a request holds what is known of the body that it asks for."""

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')
_MOST_TAGS: Final = 100
_OF_BODY: Final = (b"content-length", b"content-type", b"content-encoding", b"content-range", b"accept-ranges")


class Known:
    """Which bodies need not be sent: any for a HEAD, else those of the tags in `If-None-Match`."""

    def __init__(self, method: str, if_none_match: str | None) -> None:
        self.is_head = method == "HEAD"
        asked = (if_none_match or "").strip()
        self._any = asked == "*"
        self._tags = frozenset(_TAG.findall(asked)[:_MOST_TAGS])

    def has(self, tag: str | None) -> bool:
        """Whether the client has what this tag is of, by the weak comparison."""
        return tag is not None and (self._any or tag.removeprefix("W/") in self._tags)


def needs_no_body(scope: Scope, tag: str) -> bool:
    """Whether the body with this tag would not be sent, so that nobody has to read it."""
    known = scope.get(ASKED)
    return isinstance(known, Known) and (known.is_head or known.has(tag))


class Bodiless:
    """Serves HEAD as GET, and says 304 to a GET or HEAD whose answer has a tag that the client knows."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        known = Known(scope["method"], text_of(headers_of(scope), b"if-none-match"))
        is_bare = known.is_head

        async def told(message: Message) -> None:
            nonlocal is_bare
            if message["type"] == "http.response.start":
                if message["status"] == HTTPStatus.OK and known.has(_tag_of(message["headers"])):
                    is_bare = True
                    message = _not_modified(message)
            elif is_bare and message["type"] == "http.response.body":
                if message.get("more_body"):
                    return
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET", ASKED: known}, receive, told)


def _tag_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    return next((value.decode("latin-1") for name, value in headers if name.lower() == b"etag"), None)


def _not_modified(message: Message) -> Message:
    kept = [(name, value) for name, value in message["headers"] if name.lower() not in _OF_BODY]
    return {**message, "status": int(HTTPStatus.NOT_MODIFIED), "headers": kept}
