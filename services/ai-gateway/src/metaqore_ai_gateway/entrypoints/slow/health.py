"""Health on the API's own port."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from metaqore_ai_gateway.entrypoints.psmp_rest.forms import NoneAsked
from metaqore_ai_gateway.entrypoints.slow.refusals import refusals
from metaqore_mesh.health import Health


class HealthReport(BaseModel):
    """Whether the gateway takes tasks now, and what each part of it says: `ok`, or that it is not.

    `notices` tell of what is wrong and stops no task, as a database or a broker that is away.
    """

    status: str
    version: str
    checks: dict[str, str]
    notices: dict[str, str]


def with_health(app: FastAPI, health: Health) -> None:
    """Serve it at `/api/v1/health`."""
    responses = refusals(400, 500) | {
        200: {"model": HealthReport},
        503: {"model": HealthReport, "description": "Not now"},
    }

    @app.get("/api/v1/health", responses=responses, tags=["health"])
    async def get_health(_: NoneAsked) -> JSONResponse:
        """Whether the gateway takes tasks now. Anyone may ask; causes are in the log and on the probes' port."""
        checks = {name: "unready" if reason else "ok" for name, reason in (await health.readiness()).items()}
        notices = {name: "degraded" if reason else "ok" for name, reason in (await health.notices()).items()}
        ready = set(checks.values()) <= {"ok"}
        status = "ready" if ready else "unready"
        report = HealthReport(status=status, version=app.version, checks=checks, notices=notices)
        return JSONResponse(report.model_dump(), status_code=200 if ready else 503)
