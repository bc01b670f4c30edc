"""Who calls the slow plane, by its API key."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from metaqore_ai_gateway.service.authenticate import authenticate
from metaqore_governance_core.identity import Caller

_bearer = HTTPBearer(auto_error=False, description="An API key.")
_api_key = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key, where a bearer does not fit.")


def _caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    api_key: Annotated[str | None, Security(_api_key)],
) -> Caller:
    """Stands at the module's level, as does the name below: FastAPI looks annotations up there and nowhere else."""
    caller = authenticate(request.app.state.keys, f"Bearer {bearer.credentials}" if bearer else None, api_key)
    request.state.caller = caller  # for who answers an error
    return caller


KnownCaller = Annotated[Caller, Depends(_caller)]
