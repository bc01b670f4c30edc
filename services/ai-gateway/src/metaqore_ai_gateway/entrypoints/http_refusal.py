"""What a connection is told that sends no request one could answer: an error in OpenAI's shape, and the end."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from metaqore_ai_gateway.adapters.task_observer import count_refused
from metaqore_ai_gateway.entrypoints.http_answer import JSON, AsgiAnswer, error_body, status_of
from metaqore_ai_gateway.entrypoints.http_request import Receive, Scope, Send
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_mesh.errors import http_headers

# RFC 6585 section 5 and RFC 9110 section 15.5.9.
_STATUS: Final = {"headers_too_large": 431, "request_too_slow": 408}


def malformed() -> MetaQoreError:
    """What came is no HTTP/1.1."""
    return MetaQoreError("malformed_http", "This is no HTTP/1.1 request that can be read. Check what sends it.")


def headers_too_large() -> MetaQoreError:
    """The request's line and headers are larger than anyone needs."""
    return MetaQoreError("headers_too_large", "The request's headers are too large. Send fewer, or shorter ones.")


def too_slow() -> MetaQoreError:
    """The request did not arrive in time."""
    return MetaQoreError("request_too_slow", "The request took too long to arrive. Send it again.", retryable=True)


def refusal(error: MetaQoreError) -> bytes:
    """The whole response, after which the connection closes. It is counted, as every refusal is."""
    count_refused(Door.REST, error)
    status = HTTPStatus(_STATUS.get(error.code) or status_of(error))
    body = error_body(error)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def too_many_connections() -> MetaQoreError:
    """There are as many connections as there may be."""
    message = "The gateway has as many connections as it may. Close some, or send the request again in a moment."
    return MetaQoreError("too_many_connections", message, kind=ErrorKind.UNAVAILABLE, retryable=True)


async def tell_too_many(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of a connection above the limit."""
    del receive
    error = too_many_connections()
    count_refused(Door.REST, error)
    told = [(name.encode(), value.encode()) for name, value in http_headers(error).items()]
    headers = [JSON, *told, (b"connection", b"close")]
    await AsgiAnswer(send, scope).whole(status_of(error), headers, error_body(error), keep=False)
