"""The provider port over any OpenAI-compatible HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from metaqore_ai_gateway.adapters import provider_errors
from metaqore_ai_gateway.adapters.completions import UsageTally, asks_for_usage, read_completion
from metaqore_ai_gateway.adapters.http1_connection import ExchangeError, ExchangeTimeoutError, Http1Connection
from metaqore_ai_gateway.adapters.http1_pool import Http1Pool
from metaqore_ai_gateway.adapters.sse import EventReader, EventTooLargeError
from metaqore_ai_gateway.domain.outcome import Usage
from metaqore_ai_gateway.service.ports import ProviderCall

CONNECT_TIMEOUT_S: Final = 5.0
MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
MAX_ERROR_BYTES: Final = 64 * 1024
ERROR_BODY_S: Final = 1.0
"""So long an error's body is waited for: its status says what matters, and another route may still have time."""

_DONE: Final = b"[DONE]"
_encode: Final = msgspec.json.Encoder().encode


class OpenAIProvider:
    """The port `Provider`. `api_key` is sent as a bearer token and shows nowhere else.

    Usage is always asked for, since the record wants it; the chunk that carries it goes on only where the caller
    asked too.
    """

    def __init__(self, name: str, base_url: str, api_key: str = "") -> None:
        self._name = name
        url = urlsplit(base_url)
        self._pool = Http1Pool(url)
        lines = [
            f"POST {url.path.rstrip('/')}/chat/completions HTTP/1.1",
            f"host: {url.netloc.rpartition('@')[2]}",
            "content-type: application/json",
            "accept-encoding: identity",
            "user-agent: metaqore",
        ]
        if api_key:
            lines.append(f"authorization: Bearer {api_key}")
        self._head = "\r\n".join(lines).encode("ascii")

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    async def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    async def generate(self, call: ProviderCall) -> AsyncGenerator[bytes | Usage, None]:
        """See the port."""
        connection: Http1Connection | None = None
        try:
            connection = await self._sent(call)
            if connection.status != HTTPStatus.OK:
                retry_after = connection.headers.get(b"retry-after")
                raise provider_errors.of_status(connection.status, await _error_code(connection), retry_after)
            tally = UsageTally()
            if call.stream:
                async for chunk in _chunks(connection, tally, usage_wanted=asks_for_usage(call.body)):
                    yield chunk
            else:
                whole = await connection.read_all(MAX_ANSWER_BYTES)
                completion = read_completion(whole)
                if not completion.choices:
                    raise provider_errors.failed("answer_without_choices")
                tally.add(completion)
                yield whole
            yield tally.usage
        except ExchangeTimeoutError:
            raise provider_errors.deadline_exceeded() from None
        except (ExchangeError, EventTooLargeError) as error:
            raise provider_errors.failed("connection_broken") from error
        finally:
            if connection is not None:
                self._pool.give_back(connection)

    async def _sent(self, call: ProviderCall) -> Http1Connection:
        request = self._request(call)
        connection = self._pool.idle() or await self._connected(call)
        while True:
            try:
                connection.send(request, call.deadline)
                await connection.head()
            except BaseException as error:
                connection.abort()
                # A server may close an idle connection just as it is used again: then it never saw the request.
                if not (isinstance(error, ExchangeError) and error.nothing_received and connection.reused):
                    raise
                connection = await self._connected(call)
            else:
                return connection

    async def _connected(self, call: ProviderCall) -> Http1Connection:
        left_s = call.deadline - asyncio.get_running_loop().time()
        try:
            return await self._pool.connect(min(left_s, CONNECT_TIMEOUT_S))
        except TimeoutError:
            if left_s <= CONNECT_TIMEOUT_S:
                raise provider_errors.deadline_exceeded() from None
            raise provider_errors.unreachable() from None
        except OSError as error:
            raise provider_errors.unreachable() from error

    def _request(self, call: ProviderCall) -> bytes:
        fields: dict[str, Any] = {**call.body, "model": call.model, "stream": call.stream}
        if call.stream:
            fields["stream_options"] = {**(call.body.get("stream_options") or {}), "include_usage": True}
        body = _encode(fields)
        trace = f"\r\ntraceparent: {call.traceparent}" if call.traceparent else ""
        task = f"\r\nx-metaqore-task-id: {call.task}" if call.task else ""
        named = (trace + task).encode("ascii")
        return b"%b\r\ncontent-length: %d%b\r\n\r\n%b" % (self._head, len(body), named, body)


async def _chunks(connection: Http1Connection, tally: UsageTally, *, usage_wanted: bool) -> AsyncGenerator[bytes, None]:
    events = EventReader()
    size_bytes = 0
    while (data := await connection.read()) is not None:
        size_bytes += len(data)
        if size_bytes > MAX_ANSWER_BYTES:
            raise provider_errors.failed("answer_too_large", retryable=False)
        for event in events.feed(data):
            if event == _DONE:
                connection.ending = True
                return
            completion = read_completion(event)
            tally.add(completion)
            if usage_wanted or not completion.usage_alone:
                yield event
    if not tally.finished:  # not every server says [DONE]
        raise provider_errors.failed("stream_cut_off")


async def _error_code(connection: Http1Connection) -> object:
    """`error.code` of an error's body, None where it says none."""
    try:
        async with asyncio.timeout(ERROR_BODY_S):
            body = msgspec.json.decode(await connection.read_all(MAX_ERROR_BYTES))
        return body["error"]["code"]
    except (TimeoutError, ExchangeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return None
