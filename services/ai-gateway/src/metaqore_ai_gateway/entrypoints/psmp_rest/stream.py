"""The stream of events in the API's description, and what plain HTTP is told there."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import JSONResponse
from starlette.routing import WebSocketRoute

from metaqore_ai_gateway.entrypoints.psmp_rest.websocket import (
    BEARER_PROTOCOL,
    PATH,
    PROTOCOL,
    EventStream,
    NoStream,
)
from metaqore_ai_gateway.entrypoints.slow.caller import KnownCaller
from metaqore_ai_gateway.entrypoints.slow.problem import PROBLEM, problem_answer
from metaqore_ai_gateway.entrypoints.slow.refusals import refusals
from metaqore_governance_core.contracts.psmp import AggregateName
from metaqore_governance_core.errors import MetaQoreError

_UPGRADE: Final[dict[int | str, dict[str, Any]]] = {
    101: {"description": "Goes on as a WebSocket."},
    426: {
        "description": "Not asked for as a WebSocket",
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}
_DESCRIPTION: Final = f"""\
A WebSocket (RFC 6455): one text frame an event, `ProjectChanged` with its `event_id`, each at least once and in its
project's order. Send nothing but pongs. Behind `after` first comes what came since; other projects begin now.

A browser, which cannot send an `Authorization` header, offers the protocols `{PROTOCOL}` and `{BEARER_PROTOCOL}<key>`.

At the end the close frame's reason is the error's code: with 1013 begin again behind the last event that you have
(`watcher_slow`, `database_unavailable`), with 1008 the key or the request is not good any more.
"""


def with_event_stream(app: FastAPI, stream: EventStream) -> None:
    """Serve the stream, and describe it. The framework would tell a WebSocket to any other path 403, without a word."""
    app.router.routes.append(WebSocketRoute(PATH, stream))
    app.router.routes.append(WebSocketRoute("/{path:path}", NoStream()))
    app.include_router(_router())


def _router() -> APIRouter:
    router = APIRouter(tags=["events"])

    @router.get(
        PATH,
        status_code=101,
        summary="Watch what happens",
        description=_DESCRIPTION,
        responses=_UPGRADE | refusals(400, 401, 403, 404, 429, 503),
        response_class=JSONResponse,
    )
    async def stream_events(  # noqa: PLR0917 - each is a parameter of the query
        request: Request,
        _: KnownCaller,
        project_id: Annotated[list[str], Query(description="Only of these projects.")] = [],  # noqa: B006 - FastAPI copies it
        aggregate: Annotated[AggregateName | None, Query(description="Only about these.")] = None,
        aggregate_id: Annotated[str | None, Query(description="Only about this one.")] = None,
        name: Annotated[list[str], Query(description="Only of these names, as `artifact.Activated`.")] = [],  # noqa: B006 - FastAPI copies it
        after: Annotated[list[str], Query(description="Ids of events, at most one of each project.")] = [],  # noqa: B006 - FastAPI copies it
    ) -> JSONResponse:
        del project_id, aggregate, aggregate_id, name, after
        error = MetaQoreError("websocket_required", "This is a WebSocket. Ask for it with `Upgrade: websocket`.")
        headers = {"upgrade": "websocket", "connection": "Upgrade"}
        return problem_answer(request, error, status=HTTPStatus.UPGRADE_REQUIRED, headers=headers)

    return router
