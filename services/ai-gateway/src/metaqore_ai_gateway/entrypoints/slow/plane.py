"""The slow plane: projects, tasks and artifacts, health and the API's own description, on FastAPI."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from fastapi.routing import APIRoute

from metaqore_ai_gateway.entrypoints.psmp_rest.door import PsmpDoor
from metaqore_ai_gateway.entrypoints.psmp_rest.routers import with_psmp
from metaqore_ai_gateway.entrypoints.psmp_rest.stream import with_event_stream
from metaqore_ai_gateway.entrypoints.psmp_rest.webhooks import with_webhooks
from metaqore_ai_gateway.entrypoints.psmp_rest.websocket import EventStream
from metaqore_ai_gateway.entrypoints.slow.bodiless import Bodiless
from metaqore_ai_gateway.entrypoints.slow.docs import with_docs
from metaqore_ai_gateway.entrypoints.slow.health import with_health
from metaqore_ai_gateway.entrypoints.slow.openapi import described
from metaqore_ai_gateway.entrypoints.slow.problem import answer_errors
from metaqore_ai_gateway.entrypoints.slow.repeated import OneOfEach
from metaqore_ai_gateway.service.ports import Keys
from metaqore_ai_gateway.service.psmp.webhooks import Webhooks
from metaqore_mesh.health import Health

_DESCRIPTION = """\
Governed chat completions under `/v1`, as OpenAI has them; projects, tasks and artifacts under `/api/v1`.

Every command is decided by policy (tool `psmp.<aggregate>`, verb as said at each), recorded before its effect, and
answered with a receipt, also where it is refused. A command with `dry_run` is checked and answered as if it were done.
Times are microseconds since the Unix epoch. An unknown field or parameter is refused.

Errors are problem details (RFC 9457): `code` is for programs, `conflicts` say who, what and how to resolve, `ways_out`
which commands help. 409 is what the state forbids, or a stale `expected_version`; 412 a stale `If-Match`; 428 one that
is missing. HEAD is answered as GET is, without the body, and a GET with a known tag in `If-None-Match` by 304.
"""


def slow_plane(
    *,
    keys: Keys,
    health: Health,
    psmp: PsmpDoor,
    stream: EventStream | None = None,
    webhooks: Webhooks | None = None,
) -> FastAPI:
    """The ASGI application for everything but `/v1`; without `stream` or `webhooks` nothing is told by itself."""
    app = FastAPI(
        title="MetaQore AI Gateway",
        version=version("metaqore-ai-gateway"),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.state.keys = keys
    app.add_middleware(Bodiless)
    app.add_middleware(OneOfEach)
    with_psmp(app, psmp)
    if stream is not None:
        with_event_stream(app, stream)
    if webhooks is not None:
        with_webhooks(app, webhooks)
    with_health(app, health)
    answer_errors(app)
    described(app)
    with_docs(app)
    return app


def _operation_id(route: APIRoute) -> str:
    """The function's name, which is what a client's generator calls its method."""
    return route.name
