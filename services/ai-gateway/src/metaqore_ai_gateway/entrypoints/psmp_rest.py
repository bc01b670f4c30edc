"""PSMP over REST: every router of it."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from metaqore_ai_gateway.entrypoints import (
    psmp_rest_artifact_steps,
    psmp_rest_artifacts,
    psmp_rest_checkpoints,
    psmp_rest_contents,
    psmp_rest_governance,
    psmp_rest_history,
    psmp_rest_projects,
    psmp_rest_tasks,
    psmp_rest_versions,
)
from metaqore_ai_gateway.entrypoints.psmp_rest_door import PsmpDoor

_PARTS: Final = (
    psmp_rest_projects,
    psmp_rest_tasks,
    psmp_rest_artifacts,
    psmp_rest_artifact_steps,
    psmp_rest_versions,
    psmp_rest_contents,
    psmp_rest_governance,
    psmp_rest_checkpoints,
    psmp_rest_history,
)


def with_psmp(app: FastAPI, door: PsmpDoor) -> None:
    """Serve PSMP and tasks under `/api/v1` of `app`."""
    app.state.psmp = door
    for part in _PARTS:
        app.include_router(part.router)
