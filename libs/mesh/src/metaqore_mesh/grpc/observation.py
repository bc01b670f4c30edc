"""What is seen of a gRPC server's calls: a span under the client's, a count and a duration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from prometheus_client import Counter, Gauge, Histogram

from metaqore_mesh.grpc.handlers import Context
from metaqore_mesh.grpc.identity import metadata_of
from metaqore_mesh.telemetry.metrics import DURATION_BUCKETS_S, Children
from metaqore_mesh.telemetry.tracing import SpanKind, enabled, span

_CALLS = Children(
    Counter("metaqore_grpc_server_calls_total", "Calls answered, by method and status.", ["method", "code"])
)
_SECONDS = Children(
    Histogram("metaqore_grpc_server_call_seconds", "Duration of a call.", ["method"], buckets=DURATION_BUCKETS_S)
)
_RUNNING = Children(Gauge("metaqore_grpc_server_running_calls", "Calls being answered now.", ["method"]))

_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


@asynccontextmanager
async def observed(method: str, context: Context) -> AsyncIterator[None]:
    """Counts and times every call of a method that is served, and traces it."""
    # Only methods that are served come here, so the label cannot be made to grow by strangers.
    name = method.removeprefix("/")
    running = _RUNNING[name,]
    started = time.perf_counter()
    parent = metadata_of(context) if enabled() else None
    attributes = {"rpc.system.name": "grpc", "rpc.method": name}
    running.inc()
    code = "UNKNOWN"
    try:
        with span(name, kind=SpanKind.SERVER, parent=parent, attributes=attributes):
            yield
        code = _name(context.code())
    except asyncio.CancelledError:
        code = "CANCELLED"
        raise
    except Exception:
        code = _name(context.code())
        raise
    finally:
        running.dec()
        _CALLS[name, code].inc()
        _SECONDS[name,].observe(time.perf_counter() - started)


def _name(code: Any) -> str:
    """A server context gives its code as a number, an enum member, or None before any is set."""
    if isinstance(code, grpc.StatusCode):
        return code.name
    return _NAMES.get(code or 0, "UNKNOWN")
