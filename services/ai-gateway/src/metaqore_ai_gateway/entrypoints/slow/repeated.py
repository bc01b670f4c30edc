"""A header that is repeated is one with commas between (RFC 9110 section 5.3), here as on the hot plane."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from metaqore_ai_gateway.entrypoints.http_request import Receive, Scope, Send, headers_of

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class OneOfEach:
    """Joins them before the framework, which would read the first of them and pass over the others."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            headers = headers_of(scope)
            if len(headers) != len(scope["headers"]):
                scope = {**scope, "headers": list(headers.items())}
        await self._app(scope, receive, send)
