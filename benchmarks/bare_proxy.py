"""What forwarding alone costs: the gateway's HTTP server and HTTP client, with nothing in between.

    python benchmarks/bare_proxy.py 8080

Takes the upstream's port; its first line of output is its own. It reads no body, asks for no key, decides nothing and
records nothing.
"""

from __future__ import annotations

import argparse
import socket
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn

from metaqore_ai_gateway.adapters.http1_pool import Http1Pool

TIMEOUT_S: Final = 30.0
LARGEST_BYTES: Final = 1024 * 1024


class BareProxy:
    """A raw ASGI application that passes every POST on and its answer back."""

    def __init__(self, port: int) -> None:
        self._pool = Http1Pool(urlsplit(f"http://127.0.0.1:{port}"))
        self._head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: ".encode()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve one request."""
        del scope
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = await self._forwarded(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def _forwarded(self, body: bytes) -> bytes:
        connection = self._pool.idle() or await self._pool.connect(TIMEOUT_S)
        request = self._head + b"%d\r\n\r\n" % len(body) + body
        connection.send(request, connection.now() + TIMEOUT_S)
        await connection.head()
        answer = await connection.read_all(LARGEST_BYTES)
        self._pool.give_back(connection)
        return answer


def main() -> None:
    """Read the command line and serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("upstream", type=int, help="the port to forward to")
    arguments = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        BareProxy(arguments.upstream),
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
