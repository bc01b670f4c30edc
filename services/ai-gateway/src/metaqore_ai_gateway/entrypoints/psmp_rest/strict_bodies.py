"""Bodies in JSON, read strictly and within bounds, once the caller is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from metaqore_ai_gateway.domain.strict_json import parse_object, text_of
from metaqore_ai_gateway.entrypoints.http_request import ClientLeftError, headers_of, read_body, require_json
from metaqore_ai_gateway.service.authenticate import authenticate
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

PARSE_IN_THREAD_BYTES: Final = 256 * 1024
_SEPARATOR: Final = "\n"


class ReadRequest(Request):
    """A request whose body is read and parsed; `raw` are its bytes as they were sent."""

    def __init__(self, request: Request, raw: bytes, value: dict[str, Any]) -> None:
        super().__init__(request.scope, request.receive)
        self.raw = raw
        self._value = value

    async def body(self) -> bytes:
        """The bytes."""
        return self.raw

    async def json(self) -> Any:
        """The object in them."""
        return self._value


class StrictRoute(APIRoute):
    """A route whose body is a JSON object that every parser reads alike; nobody's is read who has no key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own, behind the reading."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def read(request: Request) -> Response:
            return await handle(await _read(request))

        return read


def strict_router(tag: str) -> APIRouter:
    """A router of such routes, all under one tag of the description."""
    return APIRouter(prefix="/api/v1", route_class=StrictRoute, tags=[tag], strict_content_type=False)


async def _read(request: Request) -> Request:
    state = request.app.state
    authenticate(state.keys, request.headers.get("authorization"), request.headers.get("x-api-key"))
    headers = headers_of(request.scope)
    require_json(headers)
    try:
        raw = await read_body(headers, request.receive, state.psmp.limits.body_bytes)
    except ClientLeftError:
        raise MetaQoreError("client_left", "The request never ended.", kind=ErrorKind.CANCELLED) from None
    if not raw:
        return ReadRequest(request, raw, {})
    if len(raw) < PARSE_IN_THREAD_BYTES:
        return ReadRequest(request, raw, _parsed(raw))
    return ReadRequest(request, raw, await asyncio.to_thread(_parsed, raw))


def _parsed(raw: bytes) -> dict[str, Any]:
    value = parse_object(raw)
    text_of(value, _SEPARATOR)  # bounds its nesting and its numbers
    return value
