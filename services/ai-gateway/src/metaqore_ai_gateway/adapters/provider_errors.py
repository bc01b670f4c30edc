"""What may go wrong with a provider, in our words. Nothing that a provider says is quoted: it may repeat the prompt."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from metaqore_ai_gateway.adapters.retry_after import seconds_of
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

TOO_LONG: Final = "context_length_exceeded"
LONGEST_WAIT_S: Final = 3600
"""A caller is told to wait no longer than this, whatever the provider asks for."""

_SAFE_CODE: Final = re.compile(r"[a-z0-9_.\[\]]{1,64}")


def unreachable() -> MetaQoreError:
    """No connection could be made."""
    message = "The provider of this model cannot be reached. Try again in a moment."
    return MetaQoreError("provider_unreachable", message, kind=ErrorKind.UNAVAILABLE, retryable=True)


def failed(*reasons: str, retryable: bool = True, retry_after_s: int | None = None) -> MetaQoreError:
    """It answered, but not with what was asked for."""
    message = "The provider of this model failed. Try again; if it stays, the operator finds the cause in the log."
    return MetaQoreError(
        "provider_failed",
        message,
        kind=ErrorKind.UNAVAILABLE,
        retryable=retryable,
        reasons=reasons,
        retry_after_s=retry_after_s,
    )


def overloaded(retry_after_s: int | None = None) -> MetaQoreError:
    """It has no place for the call."""
    message = "The provider of this model takes no more requests now. Try again in a moment."
    return MetaQoreError(
        "provider_overloaded", message, kind=ErrorKind.EXHAUSTED, retryable=True, retry_after_s=retry_after_s
    )


def refused(*reasons: str) -> MetaQoreError:
    """It does not take this request."""
    if TOO_LONG in reasons:  # clients of OpenAI know this code, and shorten the chat
        message = "The prompt is longer than the model's context length. Shorten it, or name a model with a longer one."
        return MetaQoreError(TOO_LONG, message, kind=ErrorKind.INVALID, reasons=reasons)
    message = "The provider of this model refuses this request. Check its parameters against the model's limits."
    return MetaQoreError("provider_refused", message, kind=ErrorKind.INVALID, reasons=reasons)


def deadline_exceeded() -> MetaQoreError:
    """The task's time is up."""
    message = "The model did not answer before the deadline. Ask for less, or give it more time."
    return MetaQoreError("deadline_exceeded", message, kind=ErrorKind.DEADLINE_EXCEEDED, retryable=True)


def of_status(status: int, code: object, retry_after: bytes | None = None) -> MetaQoreError:
    """The error for an answer with this HTTP status, this `error.code` in its body and this `Retry-After`."""
    reasons = [f"upstream_status_{status}"]
    if isinstance(code, str) and _SAFE_CODE.fullmatch(code):
        reasons.append(code)
    match status:
        case HTTPStatus.BAD_REQUEST | HTTPStatus.REQUEST_ENTITY_TOO_LARGE | HTTPStatus.UNPROCESSABLE_ENTITY:
            return refused(*reasons)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return overloaded(_wait_s(retry_after))
        case _:
            worth = status in _WORTH_A_REPEAT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
            return failed(*reasons, retryable=worth, retry_after_s=_wait_s(retry_after))


def _wait_s(retry_after: bytes | None) -> int | None:
    seconds = seconds_of(retry_after)
    return None if seconds is None else min(seconds, LONGEST_WAIT_S)


_WORTH_A_REPEAT: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY})
