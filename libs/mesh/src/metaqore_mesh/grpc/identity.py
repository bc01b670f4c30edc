"""Who calls a gRPC method: a service of the mesh on behalf of a caller, or a client with its own key."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final, Protocol

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_mesh.grpc.handlers import Around, Context

ORGANIZATION_KEY = "metaqore-organization"
CALLER_KEY = "metaqore-caller"
SCOPES_KEY = "metaqore-scopes"

OPEN_SERVICES = ("/grpc.health.v1.", "/grpc.reflection.")
"""What anyone may call: probes and `grpcurl` come without a key, and learn nothing of an organization."""

PROBE: Final = "/grpc.health.v1.Health/Check"
"""Answered at once, and always: whoever may not ask it takes a service for dead."""

MAX_OPEN_CALLS: Final = 64
"""So many of the others may run at once: a watch of health never ends, and nobody knows whose it is."""

_caller: ContextVar[Caller | None] = ContextVar("metaqore_grpc_caller", default=None)


class Authenticator(Protocol):
    """Tells who calls, from the call's metadata (names in lower case, text values only).

    - Raises `MetaQoreError` of kind unauthenticated where it cannot; the method is not called then.
    - Returns None for a peer that is trusted and speaks for no caller.
    """

    async def __call__(self, metadata: Mapping[str, str]) -> Caller | None:
        """Who calls, None for a trusted peer that speaks for no one. Raises `MetaQoreError`."""
        ...


class MeshAuthenticator:
    """Accepts services of this mesh, by their shared token, and believes whom they speak for."""

    def __init__(self, token: str) -> None:
        if not token:
            raise ValueError("The mesh token is empty: every peer would pass.")
        self._token = token.encode()

    async def __call__(self, metadata: Mapping[str, str]) -> Caller | None:
        """The caller in the metadata, None without one. Raises `mesh_token_invalid`; compares in constant time."""
        if not hmac.compare_digest(bearer_token(metadata).encode(), self._token):
            message = "This service answers the mesh alone: call the gateway, or give this peer the mesh's token."
            raise MetaQoreError("mesh_token_invalid", message, kind=ErrorKind.UNAUTHENTICATED)
        organization = metadata.get(ORGANIZATION_KEY)
        if not organization:
            return None
        caller = metadata.get(CALLER_KEY, "")
        return Caller(caller, organization, caller, frozenset(metadata.get(SCOPES_KEY, "").split()))


def bearer_token(metadata: Mapping[str, str]) -> str:
    """The token of `authorization: Bearer <token>` (RFC 6750, section 2.1); empty without one."""
    scheme, _, token = metadata.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def mesh_metadata(caller: Caller) -> tuple[tuple[str, str], ...]:
    """What a service sends to speak for `caller`, beside the mesh token that the channel sends."""
    return (
        (ORGANIZATION_KEY, caller.organization),
        (CALLER_KEY, caller.id),
        (SCOPES_KEY, " ".join(sorted(caller.scopes))),
    )


def current_caller() -> Caller:
    """The caller of the gRPC call that is being answered. Raises `organization_missing` where the peer named none."""
    caller = _caller.get()
    if caller is None:
        message = f"Name the organization you speak for in the metadata {ORGANIZATION_KEY}."
        raise MetaQoreError("organization_missing", message, kind=ErrorKind.UNAUTHENTICATED)
    return caller


def identified(authenticate: Authenticator) -> Around:
    """Authenticates every call before its handler, save the services that anyone may call, which it bounds."""
    open_calls = 0

    @asynccontextmanager
    async def around(method: str, context: Context) -> AsyncIterator[None]:
        nonlocal open_calls
        is_open = method.startswith(OPEN_SERVICES)
        if not is_open:
            # The call has a task, and so a context variable, of its own.
            _caller.set(await authenticate(metadata_of(context)))
        counted = is_open and method != PROBE
        if counted and open_calls >= MAX_OPEN_CALLS:
            raise _too_many_calls()
        open_calls += counted
        try:
            yield
        finally:
            open_calls -= counted

    return around


def _too_many_calls() -> MetaQoreError:
    message = "As many probe this service as it answers without a key. Try again in a moment."
    return MetaQoreError("too_many_calls", message, kind=ErrorKind.EXHAUSTED, retryable=True)


def metadata_of(context: Context) -> dict[str, str]:
    """The call's metadata as text, a repeated name's values with commas between; binary values are left out.

    So two keys make none that is valid, whichever of them a proxy in front of us has checked.
    """
    found: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            found[key] = f"{found[key]}, {value}" if key in found else value
    return found
