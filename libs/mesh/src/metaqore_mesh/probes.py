"""The HTTP server of a service's metrics port: `/metrics`, `/healthz/live` and `/healthz/ready`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from metaqore_mesh.health import Health
from metaqore_mesh.ports import require_free

_REQUEST_TIMEOUT_S = 5.0
_HEAD_LIMIT_BYTES = 16_384

_Answer = tuple[HTTPStatus, str, bytes]


@asynccontextmanager
async def serve_probes(
    health: Health, host: str, port: int, *, registry: CollectorRegistry = REGISTRY
) -> AsyncIterator[int]:
    """Serve probes and metrics until the block ends; gives the port, which matters where `port` is 0.

    One request a connection, GET only, no body: what Prometheus, Kubernetes and curl send, and nothing else to
    get wrong on a port beside the hot path. Raises `MetaQoreError` where the port is held.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(*await _answer(head.decode("latin-1"), health, registry)))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a probe that gave up, or no HTTP client at all
        finally:
            writer.close()

    if port:
        require_free(host, {"METAQORE_TELEMETRY__METRICS_PORT": port})
    server = await asyncio.start_server(answer, host, port, limit=_HEAD_LIMIT_BYTES)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _answer(head: str, health: Health, registry: CollectorRegistry) -> _Answer:
    request, *lines = head.split("\r\n")
    method, _, rest = request.partition(" ")
    if method != "GET":
        return HTTPStatus.METHOD_NOT_ALLOWED, "text/plain; charset=utf-8", b"Only GET is answered here.\n"
    match rest.split(" ")[0].partition("?")[0]:
        case "/metrics":
            headers = dict(line.lower().partition(": ")[::2] for line in lines)
            encode, content_type = choose_encoder(headers.get("accept", ""))
            return HTTPStatus.OK, content_type, encode(registry)
        case "/healthz/live":
            return _verdict(await health.liveness())
        case "/healthz/ready":
            return _verdict(await health.readiness(), await health.notices())
        case _:
            known = b"Try /metrics, /healthz/live or /healthz/ready.\n"
            return HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", known


def _verdict(reasons: dict[str, str | None], notices: dict[str, str | None] | None = None) -> _Answer:
    ok = not any(reasons.values())
    told: dict[str, Any] = {"ok": ok, "checks": _told(reasons)}
    if notices:
        told["notices"] = _told(notices)
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "application/json", json.dumps(told).encode()


def _told(reasons: dict[str, str | None]) -> dict[str, Any]:
    return {name: {"ok": reason is None, "reason": reason} for name, reason in reasons.items()}


def _response(status: HTTPStatus, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body
