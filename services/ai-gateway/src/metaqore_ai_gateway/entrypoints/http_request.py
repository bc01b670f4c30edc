"""What the hot plane reads of an HTTP request: its headers, and its body within bounds."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from metaqore_ai_gateway.domain.chat import Envelope, trace_context
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_governance_core.sensitivity import Sensitivity

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, bytes]

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class ClientLeftError(Exception):
    """The client closed the connection before its request was whole."""


def headers_of(scope: Scope) -> Headers:
    """The headers by their names in lower case; a repeated one's values with commas between (RFC 9110 section 5.3).

    So two keys or two labels make none that is valid, whichever of them a proxy in front of us has checked.
    """
    sent = scope["headers"]
    headers = dict(sent)
    if len(headers) != len(sent):
        headers.clear()
        for name, value in sent:
            headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def text_of(headers: Headers, name: bytes) -> str | None:
    """A header's value, None without it (RFC 9110 section 5.5: bytes that are not ASCII are opaque)."""
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def request_id(headers: Headers, otherwise: str) -> str:
    """The caller's own `X-Request-Id` where it may stand in a header and a log, else `otherwise`."""
    sent = headers.get(b"x-request-id")
    return sent.decode("ascii") if sent is not None and _REQUEST_ID.fullmatch(sent) else otherwise


def require_json(headers: Headers) -> None:
    """Raises `unsupported_media_type` for a body that says it is something else than JSON."""
    sent = headers.get(b"content-type")
    if sent is not None and sent.partition(b";")[0].strip().lower() != b"application/json":
        message = "Send the body as JSON, with `Content-Type: application/json`."
        raise MetaQoreError("unsupported_media_type", message)


async def read_body(headers: Headers, receive: Receive, limit_bytes: int) -> bytes:
    """The whole body. Raises `body_too_large` as soon as it is known to be, `ClientLeftError` where it never ends."""
    announced = headers.get(b"content-length", b"").lstrip(b"0")  # Python reads no number of 4,301 digits
    if announced.isdigit() and int(announced) > limit_bytes:
        raise _too_large(limit_bytes)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    parts: list[bytes] = []
    size_bytes = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        parts.append(message.get("body", b""))
        size_bytes += len(parts[-1])
        if size_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def envelope_of(headers: Headers, task: str, *, default_deadline_s: float, longest_deadline_s: float) -> Envelope:
    """What the headers say about a task. Raises `MetaQoreError` for what is no label, project or deadline."""
    label = text_of(headers, b"x-metaqore-sensitivity")
    return Envelope(
        id=task,
        door=Door.REST,
        deadline_s=min(_deadline_s(headers, default_deadline_s), longest_deadline_s),
        label=None if label is None else Sensitivity.parse(label),
        project=text_of(headers, b"x-metaqore-project"),
        traceparent=trace_context(text_of(headers, b"traceparent")),
        propose_files=b"x-metaqore-propose" in headers and _proposes(headers[b"x-metaqore-propose"]),
    )


def _proposes(sent: bytes) -> bool:
    if sent not in {b"true", b"false"}:
        raise MetaQoreError("propose_invalid", "X-MetaQore-Propose is true or false.")
    return sent == b"true"


def _deadline_s(headers: Headers, default_s: float) -> float:
    sent = headers.get(b"x-metaqore-deadline")
    if sent is None:
        return default_s
    try:
        seconds = float(sent)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise MetaQoreError("deadline_invalid", "X-MetaQore-Deadline is a number of seconds from now, such as 30.")
    return seconds


def _too_large(limit_bytes: int) -> MetaQoreError:
    message = f"The body is larger than {limit_bytes} bytes. Send less text."
    return MetaQoreError("body_too_large", message, kind=ErrorKind.TOO_LARGE)
