"""The one error root in the words of each protocol: HTTP, OpenAI, RFC 9457 and gRPC.

Only edges use this. What is not a `MetaQoreError` is first turned into one by `internal_error`, which tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo  # type: ignore[import-untyped]  # ships no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

if TYPE_CHECKING:
    from grpc import StatusCode

_M = TypeVar("_M", bound=Message)

DOMAIN = "metaqore"
"""The domain of `google.rpc.ErrorInfo`: a reason is one of our codes only under it."""

STATUS_DETAILS_KEY = "grpc-status-details-bin"
RETRY_AFTER_S = 1
"""What a caller is told to wait before it repeats a retryable request, where nobody said how long."""

MAX_MESSAGE_BYTES = 1000
"""How much of a message gRPC is told, counted as it travels: in percent-encoding."""

_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
MAX_REASONS_BYTES = 500
MAX_DETAILS_BYTES = 3000
"""What `DetailedError.details` may take together. All trailers have to fit into the 8 KiB that gRPC's clients take."""

CLIENT_CLOSED_REQUEST = 499
"""The status that nginx logs for a client that left; the client never sees it."""

_HTTP: dict[ErrorKind, int] = {
    ErrorKind.INVALID: HTTPStatus.BAD_REQUEST,
    ErrorKind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorKind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorKind.CONFLICT: HTTPStatus.CONFLICT,
    ErrorKind.PRECONDITION: HTTPStatus.CONFLICT,
    ErrorKind.UNPROCESSABLE: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorKind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorKind.EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorKind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorKind.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    ErrorKind.CANCELLED: CLIENT_CLOSED_REQUEST,
    ErrorKind.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_TITLES = {kind: HTTPStatus(status).phrase for kind, status in _HTTP.items() if status != CLIENT_CLOSED_REQUEST}

_OPENAI_TYPES = {
    ErrorKind.UNAUTHENTICATED: "authentication_error",
    ErrorKind.FORBIDDEN: "permission_error",
    ErrorKind.EXHAUSTED: "rate_limit_error",
    ErrorKind.UNAVAILABLE: "server_error",
    ErrorKind.DEADLINE_EXCEEDED: "server_error",
    ErrorKind.INTERNAL: "server_error",
}

_GRPC: dict[ErrorKind, StatusCode] = {
    ErrorKind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    ErrorKind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    ErrorKind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    ErrorKind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    ErrorKind.CONFLICT: grpc.StatusCode.ABORTED,
    ErrorKind.PRECONDITION: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorKind.UNPROCESSABLE: grpc.StatusCode.FAILED_PRECONDITION,
    ErrorKind.TOO_LARGE: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorKind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    ErrorKind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    ErrorKind.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    ErrorKind.CANCELLED: grpc.StatusCode.CANCELLED,
    ErrorKind.INTERNAL: grpc.StatusCode.INTERNAL,
}

# What a status means that came without our details: from the transport, a proxy or a foreign server. Its text is not
# passed on, for nobody vouches for it; it stays in `__cause__`.
_BARE: dict[StatusCode, tuple[ErrorKind, str]] = {
    grpc.StatusCode.CANCELLED: (ErrorKind.CANCELLED, "The call was cancelled before it ended."),
    grpc.StatusCode.INVALID_ARGUMENT: (ErrorKind.INVALID, "The other side refused the request as malformed."),
    grpc.StatusCode.OUT_OF_RANGE: (ErrorKind.INVALID, "The other side refused a value as out of range."),
    grpc.StatusCode.DEADLINE_EXCEEDED: (
        ErrorKind.DEADLINE_EXCEEDED,
        "No answer came within the deadline. Try again, or allow more time.",
    ),
    grpc.StatusCode.NOT_FOUND: (ErrorKind.NOT_FOUND, "The other side knows nothing under this name."),
    grpc.StatusCode.ALREADY_EXISTS: (ErrorKind.CONFLICT, "It exists already."),
    grpc.StatusCode.ABORTED: (ErrorKind.CONFLICT, "Something else changed it at the same time. Try again."),
    grpc.StatusCode.PERMISSION_DENIED: (ErrorKind.FORBIDDEN, "The other side does not permit this."),
    grpc.StatusCode.UNAUTHENTICATED: (ErrorKind.UNAUTHENTICATED, "The other side does not accept this key or token."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (
        ErrorKind.EXHAUSTED,
        "The other side is at its limit, or the message is larger than it takes. Send less, or try again later.",
    ),
    grpc.StatusCode.FAILED_PRECONDITION: (ErrorKind.UNPROCESSABLE, "The other side cannot do this in its state."),
    grpc.StatusCode.UNIMPLEMENTED: (
        ErrorKind.UNPROCESSABLE,
        "The other side does not know this method. Check its address and version.",
    ),
    grpc.StatusCode.UNAVAILABLE: (
        ErrorKind.UNAVAILABLE,
        "The other side cannot be reached. Check that it runs and that the address is right, then try again.",
    ),
}

_RETRYABLE_BARE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED})


def internal_error() -> MetaQoreError:
    """What a caller sees of a fault of ours; the caller of this has logged the fault itself."""
    message = "Something went wrong here. Try again; if it stays, the operator finds the cause in the service's log."
    return MetaQoreError("internal", message, kind=ErrorKind.INTERNAL)


# --- HTTP ---


def http_status(error: MetaQoreError) -> int:
    """The HTTP status of `error` (RFC 9110, section 15; 499 where the client has left)."""
    return int(_HTTP[error.kind])


def http_headers(error: MetaQoreError) -> dict[str, str]:
    """The headers of an error's response: when to come back, how to authenticate, and whether to try again.

    `x-should-retry` is what OpenAI's clients ask first; without it they repeat every 409, 429 and 5xx.
    """
    headers = {"x-should-retry": "true" if error.retryable else "false"}
    if error.retryable:
        headers["retry-after"] = str(error.retry_after_s or RETRY_AFTER_S)
    if error.kind is ErrorKind.UNAUTHENTICATED:
        headers["www-authenticate"] = 'Bearer realm="metaqore"'
    return headers


def openai_error(error: MetaQoreError, *, param: str | None = None) -> dict[str, Any]:
    """`error` as the JSON body of an OpenAI-compatible path; `reasons` is ours, and only there when it says more."""
    body: dict[str, Any] = {
        "message": error.message,
        "type": _OPENAI_TYPES.get(error.kind, "invalid_request_error"),
        "param": param,
        "code": error.code,
    }
    if error.reasons:
        body["reasons"] = list(error.reasons)
    return {"error": body}


def problem(error: MetaQoreError, *, instance: str | None = None) -> dict[str, Any]:
    """`error` as problem details (RFC 9457), to be sent as `application/problem+json`.

    `type` is `about:blank` (section 4.2.1), so `title` is the status phrase; `code` is what programs look at.
    """
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(error.kind, "Client Closed Request"),
        "status": http_status(error),
        "detail": error.message,
        "code": error.code,
        "retryable": error.retryable,
    }
    if error.reasons:
        body["reasons"] = list(error.reasons)
    if instance is not None:
        body["instance"] = instance
    return body


# --- gRPC ---


def grpc_code(error: MetaQoreError) -> StatusCode:
    """The gRPC status code of `error`."""
    return _GRPC[error.kind]


class DetailedError(MetaQoreError):
    """An error of which gRPC's clients are told more than its code: `details` are messages of the door's own.

    They come behind `ErrorInfo`, in their order; whoever makes them keeps them within `MAX_DETAILS_BYTES`.
    """

    def __init__(self, error: MetaQoreError, *details: Message) -> None:
        super().__init__(
            error.code,
            error.message,
            kind=error.kind,
            retryable=error.retryable,
            reasons=error.reasons,
            retry_after_s=error.retry_after_s,
        )
        self.details = details


def grpc_message(error: MetaQoreError) -> str:
    """The message of `error`, cut where it would not fit into trailers."""
    message = error.message[:MAX_MESSAGE_BYTES]
    while len(quote(message, safe=_PLAIN)) > MAX_MESSAGE_BYTES:
        message = message[: len(message) * 9 // 10]
    return message if message == error.message else f"{message} ..."


def grpc_trailing_metadata(error: MetaQoreError) -> tuple[tuple[str, bytes], ...]:
    """The rich status of `error`: `google.rpc.Status` with ErrorInfo, and RetryInfo where a repeat may help."""
    info = ErrorInfo(reason=error.code, domain=DOMAIN)
    info.metadata["kind"] = error.kind.value
    info.metadata["retryable"] = "true" if error.retryable else "false"
    if error.reasons:
        info.metadata["reasons"] = _joined(error.reasons)
    status = Status(code=grpc_code(error).value[0], message=grpc_message(error))
    status.details.add().Pack(info)
    for detail in error.details if isinstance(error, DetailedError) else ():
        status.details.add().Pack(detail)
    if error.retryable:
        retry = RetryInfo()
        retry.retry_delay.FromSeconds(error.retry_after_s or RETRY_AFTER_S)
        status.details.add().Pack(retry)
    return ((STATUS_DETAILS_KEY, status.SerializeToString()),)


def error_of_call(error: grpc.RpcError) -> MetaQoreError:
    """The error that a gRPC call ended with, blocking or aio. Ours comes back as it was; use `raise ... from error`.

    Without our details (the transport, a proxy) `code` is the status in lower case, as `unavailable`.
    """
    call = cast("grpc.Call", error)
    status = call.code() or grpc.StatusCode.UNKNOWN
    ours = _rich(call.trailing_metadata() or ())
    if ours is not None:
        return ours
    internal = (ErrorKind.INTERNAL, "The other side failed. Its log has the cause.")
    kind, message = _BARE.get(status, internal)
    return MetaQoreError(status.name.lower(), message, kind=kind, retryable=status in _RETRYABLE_BARE)


def detail_of_call(error: grpc.RpcError, kind: type[_M]) -> _M | None:
    """The first detail of this kind that the other side's error brought."""
    for key, value in cast("grpc.Call", error).trailing_metadata() or ():
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            found = kind()
            try:
                return next((found for detail in Status.FromString(value).details if detail.Unpack(found)), None)
            except DecodeError:
                return None
    return None


@contextmanager
def call_errors() -> Iterator[None]:
    """Turns what a gRPC call raises in the block into `MetaQoreError`."""
    try:
        yield
    except grpc.RpcError as error:
        raise error_of_call(error) from error


def _rich(metadata: Iterable[tuple[str, str | bytes]]) -> MetaQoreError | None:
    for key, value in metadata:
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                status = Status.FromString(value)
                info = _error_info(status.details)
            except DecodeError:
                return None
            return info and _restored(info, status.message)
    return None


def _joined(reasons: Iterable[str]) -> str:
    """As many of the reasons as there is room for."""
    told: list[str] = []
    room = MAX_REASONS_BYTES
    for reason in reasons:
        room -= len(reason.encode()) + 1
        if room < 0:
            break
        told.append(reason)
    return ",".join(told)


def _error_info(details: Iterable[AnyMessage]) -> ErrorInfo | None:
    for detail in details:
        info = ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            return info
    return None


def _restored(info: ErrorInfo, message: str) -> MetaQoreError:
    try:
        kind = ErrorKind(info.metadata["kind"])
    except ValueError:  # a newer peer's kind
        kind = ErrorKind.INTERNAL
    reasons = tuple(reason for reason in info.metadata["reasons"].split(",") if reason)
    return MetaQoreError(
        info.reason, message, kind=kind, retryable=info.metadata["retryable"] == "true", reasons=reasons
    )
