"""A gRPC channel to another service: every call has a deadline, the mesh token and the trace it belongs to."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
from prometheus_client import Counter, Histogram

from metaqore_mesh.grpc.server import MAX_MESSAGE_BYTES
from metaqore_mesh.telemetry.metrics import DURATION_BUCKETS_S, Children
from metaqore_mesh.telemetry.tracing import carrier

DEADLINE_S = 30.0
CLOSE_GRACE_S = 5.0

Metadata = Iterable[tuple[str, str | bytes]]

_CALLS = Children(Counter("metaqore_grpc_client_calls_total", "Calls made, by method and status.", ["method", "code"]))
_SECONDS = Children(
    Histogram("metaqore_grpc_client_call_seconds", "Duration of a call.", ["method"], buckets=DURATION_BUCKETS_S)
)


@asynccontextmanager
async def connect(
    target: str,
    *,
    mesh_token: str | None = None,
    idempotent: Sequence[str] = (),
    deadline_s: float = DEADLINE_S,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to `target` (`host:port`) for generated stubs; it connects with its first call, and again as needed.

        async with connect(endpoint, mesh_token=token, idempotent=["metaqore.audit.v1.AuditService"]) as channel:
            audit = AuditServiceStub(channel)
            with call_errors():
                await audit.GetReceipt(request, metadata=mesh_metadata(caller), timeout=5)

    A call without `timeout` gets `deadline_s`. `idempotent` names services (`package.Service`) or methods
    (`package.Service/Method`): those are tried up to four times while the other side is UNAVAILABLE, within the
    deadline. All others are sent again only where gRPC knows that the server has not seen them.
    """
    options = _options(idempotent, max_message_bytes)
    inner = grpc.aio.insecure_channel(target, options=options)
    fixed = (("authorization", f"Bearer {mesh_token}"),) if mesh_token else ()
    try:
        yield _Channel(inner, fixed, deadline_s)
    finally:
        await inner.close(CLOSE_GRACE_S)


class _Channel(grpc.aio.Channel):
    """Adds to each call what it lacks. No gRPC interceptors: those cost a task for every call."""

    def __init__(self, inner: grpc.aio.Channel, fixed: Metadata, deadline_s: float) -> None:
        self._inner = inner
        self._fixed = tuple(fixed)
        self._deadline_s = deadline_s

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._completed(method, self._inner.unary_unary(method, *args, **kwargs))

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._completed(method, self._inner.unary_stream(method, *args, **kwargs))

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._completed(method, self._inner.stream_unary(method, *args, **kwargs))

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._completed(method, self._inner.stream_stream(method, *args, **kwargs))

    def _completed(self, method: str, start: Callable[..., Any]) -> Callable[..., Any]:
        name = method.removeprefix("/")

        def call(request: Any = None, *, timeout: float | None = None, metadata: Metadata = (), **kwargs: Any) -> Any:
            sent = grpc.aio.Metadata(*self._fixed, *metadata, *_trace(metadata))
            started = time.perf_counter()
            running = start(request, timeout=self._deadline_s if timeout is None else timeout, metadata=sent, **kwargs)
            running.add_done_callback(lambda done: _observe(name, done, time.perf_counter() - started))
            return running

        return call

    async def __aenter__(self) -> grpc.aio.Channel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._inner.channel_ready()


def _trace(metadata: Metadata) -> Iterable[tuple[str, str]]:
    """The current span's, unless the call names another one."""
    carried = carrier()
    return () if not carried or any(name == "traceparent" for name, _ in metadata) else carried.items()


def _observe(method: str, call: grpc.aio.Call, seconds: float) -> None:
    code = _code_of(call)
    _CALLS[method, code].inc()
    _SECONDS[method,].observe(seconds)


def _code_of(call: grpc.aio.Call) -> str:
    """The status of a call that is done. Its `code()` is a coroutine that then has nothing to wait for: one step."""
    asking = call.code()
    try:
        asking.send(None)
    except StopIteration as answer:
        code: grpc.StatusCode = answer.value
        return code.name
    finally:
        asking.close()
    return "UNKNOWN"


def _options(idempotent: Sequence[str], max_message_bytes: int) -> tuple[tuple[str, int | str], ...]:
    return (
        ("grpc.service_config", json.dumps(_service_config(idempotent))),
        ("grpc.enable_http_proxy", 0),  # the mesh is never behind the proxy for the outside
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # A peer that was restarted is found again within a second, not after gRPC's two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    )


def _service_config(idempotent: Sequence[str]) -> dict[str, Any]:
    """The gRPC service config (gRFC A6): retries on UNAVAILABLE for what may be repeated, throttled when much fails."""
    if not idempotent:
        return {}
    names = [dict(zip(("service", "method"), name.split("/"), strict=False)) for name in idempotent]
    policy = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {
        "methodConfig": [{"name": names, "retryPolicy": policy}],
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.5},
    }
