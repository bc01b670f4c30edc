"""`GET /api/v1/events/stream`: what happens in projects, as it happens, over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, get_args
from urllib.parse import parse_qsl

import msgspec
import structlog

from metaqore_ai_gateway.adapters.task_observer import count_refused
from metaqore_ai_gateway.entrypoints.http_request import Receive, Scope, Send, headers_of, text_of
from metaqore_ai_gateway.service.authenticate import authenticate
from metaqore_ai_gateway.service.ports import Keys
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.reading_ports import PastEvent
from metaqore_ai_gateway.service.psmp.relayed import past_change
from metaqore_ai_gateway.service.psmp.watching import WatchFilter, Watching
from metaqore_ai_gateway.service.while_known import CHECK_S, while_known
from metaqore_governance_core.contracts.psmp import AggregateName
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Door
from metaqore_mesh.errors import http_headers, internal_error, problem

PATH: Final = "/api/v1/events/stream"

PROTOCOL: Final = "metaqore.events.v1"
BEARER_PROTOCOL: Final = "metaqore.bearer."
"""A browser cannot send headers: it offers the first protocol, and a second one that is this and its key."""

_MOST_FIELDS: Final = 1000
_MANY: Final = frozenset({"project_id", "name", "after"})
_ONE: Final = frozenset({"aggregate", "aggregate_id"})

# RFC 6455 section 7.4.1, and the registry of close codes.
_POLICY, _FAULT, _LATER = 1008, 1011, 1013

_ENCODER: Final = msgspec.json.Encoder()
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants to see, behind which events."""

    caller: Caller
    wanted: WatchFilter
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventStream:
    """An ASGI application for WebSockets: one text frame an event, nothing from the client but pongs.

    Whoever may not watch is told so by the answer to its handshake, as problem details; whoever may no more, by the
    reason of the close frame, which is the error's code.
    """

    watching: Watching
    keys: Keys
    check_s: float = CHECK_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        await receive()  # the handshake
        try:
            asked = self._asked(scope)
            await self.watching.check(asked.caller, asked.wanted, asked.after)
        except MetaQoreError as error:
            count_refused(Door.REST, error)
            await _deny(send, scope, error)
            return
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets an answer and no stack trace
            _log.exception("watch.failed")
            await _deny(send, scope, internal_error())
            return
        chosen = PROTOCOL if PROTOCOL in scope.get("subprotocols", ()) else None
        try:
            await send({"type": "websocket.accept", "subprotocol": chosen})
            why = await self._serve(scope, asked, receive, send)
            if why is not None:
                await send({"type": "websocket.close", "code": _close_code(why), "reason": why.code})
        except OSError:
            pass  # the client has left

    async def _serve(self, scope: Scope, asked: Asked, receive: Receive, send: Send) -> MetaQoreError | None:
        """Why it ended; None where the client ended it."""
        leaving = asyncio.create_task(_leave(receive))
        sending = asyncio.create_task(self._send_events(scope, asked, send))
        try:
            await asyncio.wait((leaving, sending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leaving, sending):
                task.cancel()
            ends = await asyncio.gather(leaving, sending, return_exceptions=True)
        for end in ends:
            if isinstance(end, MetaQoreError):
                return end
            if isinstance(end, Exception) and not isinstance(end, OSError):
                _log.error("watch.failed", exc_info=end)
                return internal_error()
        return None

    async def _send_events(self, scope: Scope, asked: Asked, send: Send) -> None:
        """Until it is cancelled. Raises why it cannot go on."""

        async def check() -> None:
            self._caller(scope)

        events = self.watching(asked.caller, asked.wanted, asked.after)
        async with aclosing(while_known(events, check, self.check_s)) as told:
            async for event in told:
                await send({"type": "websocket.send", "text": frame(event)})

    def _asked(self, scope: Scope) -> Asked:
        caller = self._caller(scope)
        fields = _fields(scope["query_string"])
        kind = fields["aggregate"][-1] if fields["aggregate"] else ""
        if kind not in {"", *get_args(AggregateName)}:
            raise _invalid(["aggregate"])
        wanted = WatchFilter(
            frozenset(fields["project_id"]),
            Kind(kind) if kind else None,
            fields["aggregate_id"][-1] if fields["aggregate_id"] else "",
            frozenset(fields["name"]),
        )
        return Asked(caller, wanted, tuple(fields["after"]))

    def _caller(self, scope: Scope) -> Caller:
        """Who holds the key, which is looked up again while it watches. Raises `invalid_api_key`."""
        headers = headers_of(scope)
        authorization = text_of(headers, b"authorization")
        offered = [one for one in scope.get("subprotocols", ()) if one.startswith(BEARER_PROTOCOL)]
        if authorization is None and len(offered) == 1:
            authorization = f"Bearer {offered[0].removeprefix(BEARER_PROTOCOL)}"
        return authenticate(self.keys, authorization, text_of(headers, b"x-api-key"))


class NoStream:
    """An ASGI application for a WebSocket to any other path."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the handshake as plain HTTP is answered there."""
        await receive()  # the handshake
        error = MetaQoreError("path_not_found", f"The only WebSocket is {PATH}. See /docs.", kind=ErrorKind.NOT_FOUND)
        count_refused(Door.REST, error)
        await _deny(send, scope, error)


def frame(event: PastEvent) -> str:
    """The event as it is sent: `ProjectChanged`, with the `event_id` to begin again behind."""
    return _ENCODER.encode({"event_id": event.id, **past_change(event)}).decode()


async def _leave(receive: Receive) -> None:
    """Return once the client has left. Raises where it says anything."""
    if (await receive())["type"] == "websocket.receive":
        raise MetaQoreError("unexpected_message", "Nothing is read here. Send nothing but pongs.")


async def _deny(send: Send, scope: Scope, error: MetaQoreError) -> None:
    """Answer the handshake with problem details."""
    body = _ENCODER.encode(problem(error, instance=scope["path"]))
    headers = [(b"content-type", b"application/problem+json")]
    headers += [(name.encode(), value.encode()) for name, value in http_headers(error).items()]
    status = problem(error)["status"]
    try:
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    except OSError:
        pass  # the client has left


def _close_code(error: MetaQoreError) -> int:
    if error.retryable:
        return _LATER
    return _FAULT if error.kind is ErrorKind.INTERNAL else _POLICY


def _fields(query: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise MetaQoreError("invalid_request", "The query cannot be read. Send fewer parameters.") from None
    fields: dict[str, list[str]] = {name: [] for name in (*_MANY, *_ONE)}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    wrong = [name for name, values in fields.items() if not _fits(name, values)]
    if wrong:
        raise _invalid(wrong)
    return fields


def _fits(name: str, values: Sequence[str]) -> bool:
    return (name in _MANY and all(values)) or (name in _ONE and len(values) <= 1 and all(values))


def _invalid(names: Sequence[str]) -> MetaQoreError:
    shown = sorted(f"query.{name}" for name in names if name.isidentifier())[:10]
    return MetaQoreError(
        "invalid_request", f"These are unknown or not of the right form: {', '.join(shown)}.", reasons=tuple(shown)
    )
