"""The one error root: a stable code, whether a repeat may help, and a sentence for a person."""

from __future__ import annotations

from enum import StrEnum


class ErrorKind(StrEnum):
    """What sort of error it is. Edges map it to an HTTP status, a gRPC status or a dead letter."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    PRECONDITION = "precondition"
    UNPROCESSABLE = "unprocessable"
    TOO_LARGE = "too_large"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class MetaQoreError(Exception):
    """An error that a caller may see.

    `code` is stable and for programs; the message tells a person what to do. `reasons` are further codes, where
    several things led to it. `retry_after_s` is how long to wait before a repeat, where somebody said so. It never
    holds a prompt, an answer or a secret.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        kind: ErrorKind = ErrorKind.INVALID,
        retryable: bool = False,
        reasons: tuple[str, ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.kind = kind
        self.retryable = retryable
        self.reasons = reasons
        self.retry_after_s = retry_after_s
