"""Errors of the slow plane: problem details (RFC 9457), for every one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from metaqore_ai_gateway.entrypoints.psmp_rest.conflict_views import Conflict, Place, conflict_view
from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_mesh.errors import http_headers, internal_error, problem

PROBLEM: Final = "application/problem+json"

STALE: Final = "version_stale"
"""The code of a version that is not the newest any more."""

# What HTTP says more exactly than the kind of the error does.
_STATUS: Final[Mapping[str, HTTPStatus]] = {
    "if_match_missing": HTTPStatus.PRECONDITION_REQUIRED,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    **dict.fromkeys(("project_missing", "artifact_missing", "version_missing", "task_missing"), HTTPStatus.NOT_FOUND),
}

_log = structlog.get_logger()


class WayOut(BaseModel):
    """A command that helps, as the command line has it, and who may give it."""

    command: str
    who: str


class Problem(BaseModel):
    """Problem details (RFC 9457). `code` is for programs.

    A command that was recorded and not done tells more: `state` says whether policy does not permit it (`denied`), the
    state or its rules do not (`refused`), or it could not be tried (`failed`); its receipt is in the headers.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    reasons: list[str] | None = None
    instance: str | None = None
    state: Literal["denied", "refused", "failed"] | None = None
    conflicts: list[Conflict] | None = Field(None, description="What stands in the way: who, what, how to resolve.")
    ways_out: list[WayOut] | None = Field(None, description="What would help.")


def answer_errors(app: FastAPI) -> None:
    """Answer every error of `app` as problem details."""

    @app.exception_handler(MetaQoreError)
    async def ours(request: Request, error: MetaQoreError) -> JSONResponse:
        return problem_answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> JSONResponse:
        """Names the fields, never what stood in them."""
        fields = sorted({".".join(str(step) for step in one["loc"]) for one in error.errors()})
        message = f"These are unknown or not of the right form: {', '.join(fields)}. See /docs."
        return problem_answer(request, MetaQoreError("invalid_request", message, reasons=tuple(fields)))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            wrong = MetaQoreError("method_not_allowed", "This method does not work here. See /docs.")
            allow = {"allow": ", ".join(sorted(_methods(request)))}
            return problem_answer(request, wrong, status=HTTPStatus.METHOD_NOT_ALLOWED, headers=allow)
        missing = MetaQoreError("path_not_found", "There is nothing here. See /docs.", kind=ErrorKind.NOT_FOUND)
        return problem_answer(request, missing)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> JSONResponse:
        _log.error("request.failed", path=request.url.path, error=type(error).__name__)
        return problem_answer(request, internal_error())


def problem_answer(
    request: Request,
    error: MetaQoreError,
    *,
    status: HTTPStatus | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The answer that tells of `error`."""
    if error.code == STALE and "if-match" in request.headers:
        status = HTTPStatus.PRECONDITION_FAILED  # RFC 9110 section 13.1.1
    status = status or _STATUS.get(error.code)
    body = problem(error, instance=request.url.path)
    if status is not None:
        body |= {"status": status.value, "title": status.phrase}
    told = {**http_headers(error), **(headers or {})}
    if isinstance(error, CommandRefusedError):
        body |= _refused(request, error)
        told |= receipt_headers(error.receipt, error.receipt_token)
    return JSONResponse(body, status_code=body["status"], headers=told, media_type=PROBLEM)


def receipt_headers(receipt: str, token: str) -> dict[str, str]:
    """What every command is answered with, whether it was done or not."""
    return {"x-metaqore-receipt": token, "x-metaqore-receipt-id": receipt}


def _refused(request: Request, error: CommandRefusedError) -> dict[str, Any]:
    told: dict[str, Any] = {"state": error.state}
    if error.conflicts:
        caller: Caller = request.state.caller
        place = Place(organization=caller.organization, project=error.project) if error.project else None
        told["conflicts"] = [conflict_view(one, place).model_dump(mode="json") for one in error.conflicts]
    if error.ways_out:
        told["ways_out"] = [{"command": one.command, "who": one.who} for one in error.ways_out]
    return told


def _methods(request: Request) -> set[str]:
    """All methods of the path, where several routes share it (RFC 9110 section 15.5.6)."""
    matching = (route for route in _routes(request.app.routes) if route.matches(request.scope)[0] is not Match.NONE)
    methods = {method for route in matching for method in getattr(route, "methods", None) or ()}
    return methods | {"HEAD"} if "GET" in methods else methods


def _routes(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """The routes, those of included routers among them, which FastAPI keeps as one."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from _routes(included.routes)
