"""The port behind which answers are kept for repeats with the same idempotency key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

MAX_KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request got: its status, the headers that belong to it (receipt included) and its body."""

    status: int
    headers: dict[str, str]
    body: bytes


class IdempotencyStore(Protocol):
    """Remembers, for 24 hours, what a request with an idempotency key was answered.

    Whoever was given None by `begin` ends with `finish`, before the answer leaves, or with `release`.
    """

    async def begin(self, organization: str, key: str, body_digest: bytes) -> StoredAnswer | None:
        """Take the key for this request, and give None; or give the answer that the same request got before.

        Raises `idempotency_in_flight` (conflict) while the first request runs, and `idempotency_key_reused`
        (unprocessable) where `body_digest` is another.
        """
        ...

    async def finish(self, organization: str, key: str, answer: StoredAnswer) -> None:
        """Keep the answer for repeats."""
        ...

    async def release(self, organization: str, key: str) -> None:
        """Forget that the key was taken: the request ended without an answer worth keeping."""
        ...

    async def release_all(self) -> int:
        """Free what this writer held when it crashed, and say how many; called once at start, after recovery."""
        ...


def check_key(key: str) -> None:
    """Raises `invalid_idempotency_key` unless `key` has 1 to 255 printable ASCII characters."""
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise MetaQoreError(
            "invalid_idempotency_key",
            "An idempotency key has 1 to 255 printable ASCII characters; a UUID is a good one.",
        )


def in_flight() -> MetaQoreError:
    """The first request with this key has not ended yet."""
    return MetaQoreError(
        "idempotency_in_flight",
        "A request with this idempotency key is still running. Repeat yours when it has ended.",
        kind=ErrorKind.CONFLICT,
        retryable=True,
    )


def key_reused() -> MetaQoreError:
    """The key was used with another body."""
    return MetaQoreError(
        "idempotency_key_reused",
        "This idempotency key was used with another request. Use a new key for a new request.",
        kind=ErrorKind.UNPROCESSABLE,
    )
