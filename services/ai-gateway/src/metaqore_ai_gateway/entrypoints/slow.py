"""The slow plane: tasks, health and the API's own description, on FastAPI."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from metaqore_ai_gateway.domain.task_view import DEFAULT_PAGE, LARGEST_PAGE, Page, TaskView, read_page_token
from metaqore_ai_gateway.entrypoints.slow_docs import with_docs
from metaqore_ai_gateway.entrypoints.slow_openapi import with_hot_plane
from metaqore_ai_gateway.service.authenticate import authenticate
from metaqore_ai_gateway.service.ports import Keys
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.task import TaskState
from metaqore_mesh.errors import http_headers, internal_error, problem
from metaqore_mesh.health import Health

PROBLEM = "application/problem+json"

_bearer = HTTPBearer(auto_error=False, description="An API key.")
_api_key = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key, where a bearer does not fit.")

_log = structlog.get_logger()


class Problem(BaseModel):
    """Problem details (RFC 9457). `code` is for programs."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    reasons: list[str] | None = None
    instance: str | None = None


class Task(BaseModel):
    """What the organization may see of a task: no prompt, no answer. Times are microseconds since the Unix epoch."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    organization: str
    project: str | None
    state: TaskState
    door: str
    caller: str = Field(description="The id of the key that submitted it.")
    model: str
    provider: str | None
    sensitivity: str
    sensitivity_sources: list[str]
    verdict: str
    reasons: list[str]
    policy: str
    policy_version: str
    receipt: str = Field(description="The id of its receipt.")
    error: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    duration_us: int | None
    attempts: int
    created_us: int
    ended_us: int | None


class TaskPage(BaseModel):
    """Tasks, newest first. `next_page_token` is empty on the last page."""

    tasks: list[Task]
    next_page_token: str


class TaskQuery(BaseModel):
    """Which tasks. An unknown parameter is refused."""

    model_config = ConfigDict(extra="forbid")

    page_size: int = Field(DEFAULT_PAGE, ge=1, le=LARGEST_PAGE)
    page_token: str = ""
    state: TaskState | None = None


class NoQuery(BaseModel):
    """Nothing may be asked beside the path."""

    model_config = ConfigDict(extra="forbid")


class HealthReport(BaseModel):
    """Whether the gateway takes tasks now, and what each part of it says: `ok`, or that it is not.

    `notices` tell of what is wrong and stops no task, as a database or a broker that is away.
    """

    status: str
    version: str
    checks: dict[str, str]
    notices: dict[str, str]


_REFUSED: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "content": {PROBLEM: {}}, "description": text}
    for code, text in {400: "Not understood", 401: "No good key", 403: "Not permitted", 404: "Not there"}.items()
}


def _caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    api_key: Annotated[str | None, Security(_api_key)],
) -> Caller:
    """Stands at the module's level, as does the name below: FastAPI looks annotations up there and nowhere else."""
    return authenticate(request.app.state.keys, f"Bearer {bearer.credentials}" if bearer else None, api_key)


KnownCaller = Annotated[Caller, Depends(_caller)]


def slow_plane(*, keys: Keys, get_task: GetTask, list_tasks: ListTasks, health: Health) -> FastAPI:
    """The ASGI application for everything but `/v1`."""
    app = FastAPI(
        title="MetaQore AI Gateway",
        version=version("metaqore-ai-gateway"),
        description="Governed chat completions under /v1, as OpenAI has them; tasks and health under /api/v1.",
        docs_url=None,
        redoc_url=None,
    )

    app.state.keys = keys

    @app.get("/api/v1/tasks", responses=_REFUSED, tags=["tasks"])
    async def list_(caller: KnownCaller, query: Annotated[TaskQuery, Query()]) -> TaskPage:
        """Tasks of the caller's organization, newest first."""
        page = Page(query.page_size, read_page_token(query.page_token), query.state)
        found, token = await list_tasks(caller, page)
        return TaskPage(tasks=[_task(task) for task in found], next_page_token=token)

    @app.get("/api/v1/tasks/{task_id}", responses=_REFUSED, tags=["tasks"])
    async def get(task_id: str, caller: KnownCaller, _: Annotated[NoQuery, Query()]) -> Task:
        """One task of the caller's organization."""
        return _task(await get_task(caller, task_id))

    @app.get("/api/v1/health", responses={503: {"model": HealthReport}}, tags=["health"])
    async def tell(_: Annotated[NoQuery, Query()]) -> JSONResponse:
        """Whether the gateway takes tasks now. Anyone may ask; causes are in the log and on the probes' port."""
        checks = {name: "unready" if reason else "ok" for name, reason in (await health.readiness()).items()}
        notices = {name: "degraded" if reason else "ok" for name, reason in (await health.notices()).items()}
        ready = set(checks.values()) <= {"ok"}
        status = "ready" if ready else "unready"
        report = HealthReport(status=status, version=app.version, checks=checks, notices=notices)
        return JSONResponse(report.model_dump(), status_code=200 if ready else 503)

    _answer_errors(app)
    with_hot_plane(app)
    with_docs(app)
    return app


def _task(task: TaskView) -> Task:
    return Task.model_validate(task)


def _answer_errors(app: FastAPI) -> None:
    """Every error as problem details."""

    @app.exception_handler(MetaQoreError)
    async def ours(request: Request, error: MetaQoreError) -> JSONResponse:
        return _problem(request, error)

    @app.exception_handler(RequestValidationError)
    async def unreadable(request: Request, error: RequestValidationError) -> JSONResponse:
        """Names the fields, never what stood in them."""
        fields = sorted({".".join(str(step) for step in one["loc"]) for one in error.errors()})
        message = f"These are unknown or not of the right form: {', '.join(fields)}. See /docs."
        return _problem(request, MetaQoreError("invalid_request", message, reasons=tuple(fields)))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 405:  # noqa: PLR2004  method not allowed
            wrong = MetaQoreError("method_not_allowed", "This method does not work here. See /docs.")
            return _problem(request, wrong, status=405, headers=error.headers)
        missing = MetaQoreError("path_not_found", "There is nothing here. See /docs.", kind=ErrorKind.NOT_FOUND)
        return _problem(request, missing)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> JSONResponse:
        _log.error("request.failed", path=request.url.path, error=type(error).__name__)
        return _problem(request, internal_error())


def _problem(request: Request, error: MetaQoreError, *, status: int | None = None, headers: Any = None) -> JSONResponse:
    body = problem(error, instance=request.url.path)
    if status is not None:
        body |= {"status": status, "title": "Method Not Allowed"}
    return JSONResponse(
        body, status_code=body["status"], headers={**http_headers(error), **(headers or {})}, media_type=PROBLEM
    )
