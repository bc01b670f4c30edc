"""Serves an ASGI application with uvicorn, inside a service that has signals and logs of its own."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

import uvicorn

from metaqore_ai_gateway.entrypoints.http_protocol import OVERFLOW, BoundedHttpProtocol
from metaqore_ai_gateway.entrypoints.http_websocket import MAX_MESSAGE_BYTES, PING_S, BoundedWebSocketProtocol
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

BACKLOG: Final = 2048
CONNECTIONS: Final = 8192
OWN_FILES: Final = 256
"""For the spool, the database, the broker, providers and libraries."""

KEEP_ALIVE_S: Final = 75
END_S: Final = 10
"""How long connections have to end once the server stops."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The service catches signals."""
        yield


@asynccontextmanager
async def serve_http(app: Any, host: str, port: int, *, connections: int = CONNECTIONS) -> AsyncIterator[int]:
    """Serve `app` until the block ends; gives the port, which matters where `port` is 0. Raises `port_taken`.

    At most `connections` are served at once, and fewer where the process may not have as many files.
    """
    listener = _bound(host, port)
    config = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws=BoundedWebSocketProtocol,
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=min(connections, _files()),
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=END_S,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def _files() -> int:
    """How many files may be connections: what the process may open, without what it needs for itself."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if most == resource.RLIM_INFINITY else max(most - OWN_FILES - OVERFLOW, most // 4)


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's
    except OSError as error:
        listener.close()
        message = f"Port {port} on {host} cannot be taken: {error.strerror}. Stop who has it, or choose another."
        raise MetaQoreError("port_taken", message, kind=ErrorKind.CONFLICT) from error
    return listener
