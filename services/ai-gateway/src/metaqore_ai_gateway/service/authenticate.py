"""Who calls: an API key, as any door brings it, becomes a caller."""

from __future__ import annotations

from typing import Protocol

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller


class KeyRing(Protocol):
    """The keys in force, in memory.

    - `caller_of` never waits; it answers from an immutable snapshot.
    - A revoked key is gone from the snapshot within about a second.
    - While the database is away the last snapshot stands.
    """

    def caller_of(self, secret: str) -> Caller | None:
        """The caller whose key `secret` is, or None."""
        ...


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


def authenticate(keys: KeyRing, authorization: str | None, api_key: str | None = None) -> Caller:
    """The caller that the key stands for. Raises `missing_api_key` or `invalid_api_key`, kind unauthenticated."""
    caller = keys.caller_of(secret_of(authorization, api_key))
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
        raise MetaQoreError(
            "missing_scope",
            f"This API key lacks the scope {scope}. Ask an administrator for a key that has it.",
            kind=ErrorKind.FORBIDDEN,
            reasons=(scope,),
        )
