"""A whole answer in one write, for uvicorn, which writes the head and the body apart and reads every header again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final
from weakref import ref

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

WHOLE: Final = "metaqore.whole"
"""The name under `extensions` of the ASGI scope. What stands there is called with status, headers and body, where
`http.response.start` and `http.response.body` would be sent else. Names are in lower case; `content-length` is added.
"""

_CLOSE: Final = (b"connection", b"close")

Whole = Callable[[int, list[tuple[bytes, bytes]], bytes], Awaitable[None]]


class WholeAnswerProtocol(HttpToolsProtocol):
    """Gives each request the extension `WHOLE`: half the cost of an answer."""

    _served: RequestResponseCycle | None = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        scope: Any = cycle.scope
        # Weakly: the scope is the cycle's own, and a ring would keep both, with all they hold, for the collector.
        scope["extensions"] = {WHOLE: partial(_whole, ref(cycle))}
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """The request that is served hears of it; uvicorn tells the one that was read last."""
        served = self._served
        if served is not None and not served.response_complete:
            served.disconnected = True
            served.message_event.set()
        super().connection_lost(exc)


async def _whole(
    served: ref[RequestResponseCycle], status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """As two calls of `cycle.send` do it (RFC 9112 sections 4 to 6)."""
    cycle = served()
    if cycle is None:
        return
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    if cycle.response_started:
        raise RuntimeError("The answer has begun already.")
    named = [*cycle.default_headers, *headers, (b"content-length", b"%d" % len(body))]
    if _CLOSE in headers:
        cycle.keep_alive = False
    elif not cycle.keep_alive:
        named.append(_CLOSE)
    lines = [b"%b: %b" % pair for pair in named]
    told = b"".join(lines)
    if b"\n" in told or b"\r" in told:
        raise RuntimeError("A header's value holds a line break.")
    shown = b"" if cycle.scope["method"] == "HEAD" else body
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"%b%b\r\n\r\n%b" % (STATUS_LINE[status], b"\r\n".join(lines), shown))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
