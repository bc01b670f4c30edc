"""PSMP over REST: every router of it."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from metaqore_ai_gateway.entrypoints.psmp_rest import (
    artifact_steps,
    artifacts,
    checkpoints,
    contents,
    governance,
    history,
    projects,
    tasks,
    versions,
)
from metaqore_ai_gateway.entrypoints.psmp_rest.door import PsmpDoor

_PARTS: Final = (
    projects,
    tasks,
    artifacts,
    artifact_steps,
    versions,
    contents,
    governance,
    checkpoints,
    history,
)


def with_psmp(app: FastAPI, door: PsmpDoor) -> None:
    """Serve PSMP and tasks under `/api/v1` of `app`."""
    app.state.psmp = door
    for part in _PARTS:
        app.include_router(part.router)
