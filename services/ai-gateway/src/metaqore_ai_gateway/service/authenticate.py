"""Who calls: an API key, as any door brings it, becomes a caller."""

from __future__ import annotations

from metaqore_ai_gateway.service.ports import Keys
from metaqore_governance_core.decision import MISSING_SCOPE
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller

BEARER = "bearer "


def secret_of(authorization: str | None, api_key: str | None = None) -> str:
    """The key in `Authorization: Bearer <key>`, or else in `X-API-Key`. Raises `missing_api_key`."""
    if authorization and authorization[: len(BEARER)].lower() == BEARER:
        return authorization[len(BEARER) :].strip()
    if api_key:
        return api_key.strip()
    raise MetaQoreError(
        "missing_api_key",
        "Send your API key as 'Authorization: Bearer <key>'.",
        kind=ErrorKind.UNAUTHENTICATED,
    )


def authenticate(keys: Keys, authorization: str | None, api_key: str | None = None) -> Caller:
    """The caller that the key stands for. Raises `missing_api_key` or `invalid_api_key`, kind unauthenticated."""
    caller = keys.find(secret_of(authorization, api_key))
    if caller is None:
        raise MetaQoreError(
            "invalid_api_key",
            "This API key is unknown or was revoked. Ask an administrator of your organization for a new one.",
            kind=ErrorKind.UNAUTHENTICATED,
        )
    return caller


def require_scope(caller: Caller, scope: str) -> None:
    """Raises `missing_scope`, kind forbidden, unless the caller's key has `scope`."""
    if scope not in caller.scopes:
        raise missing_scope(scope)


def missing_scope(scope: str) -> MetaQoreError:
    """The caller's key lacks it."""
    return MetaQoreError(
        MISSING_SCOPE,
        f"This API key lacks the scope {scope}. Ask an administrator for a key that has it.",
        kind=ErrorKind.FORBIDDEN,
        reasons=(scope,),
    )
