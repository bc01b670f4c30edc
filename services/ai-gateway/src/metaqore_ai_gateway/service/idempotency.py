"""What is refused about an idempotency key."""

from __future__ import annotations

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller

MAX_KEY_CHARACTERS = 255


def check_key(key: str) -> None:
    """Raises `invalid_idempotency_key` unless `key` has 1 to 255 printable ASCII characters."""
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise MetaQoreError(
            "invalid_idempotency_key",
            "An idempotency key has 1 to 255 printable ASCII characters; a UUID is a good one.",
        )


def own_key(caller: Caller, key: str) -> str:
    """The key as its caller's own, by the name that policy knows: nobody is told what another's key led to.

    Raises as `check_key`.
    """
    check_key(key)
    return f"{caller.name}\n{key}"


def in_flight() -> MetaQoreError:
    """The first request with this key has not ended yet."""
    return MetaQoreError(
        "idempotency_in_flight",
        "A request with this idempotency key is still running. Repeat yours when it has ended.",
        kind=ErrorKind.CONFLICT,
        retryable=True,
    )


def body_differs() -> MetaQoreError:
    """The key was used with another body."""
    return MetaQoreError(
        "idempotency_body_differs",
        "This idempotency key was used with another request. Use a new key for a new request.",
        kind=ErrorKind.UNPROCESSABLE,
    )
