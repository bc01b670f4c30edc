"""A gRPC server: identity, errors, telemetry, health and reflection, and an end that finishes what runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]  # its stubs lack it
from grpc_health.v1.health_pb2 import DESCRIPTOR as HEALTH
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection_pb2_grpc
from grpc_reflection.v1alpha.reflection import SERVICE_NAME
from grpc_reflection.v1alpha.reflection import aio as reflection_aio  # type: ignore[attr-defined]  # as above

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.grpc.failures import told
from metaqore_mesh.grpc.handlers import AroundInterceptor
from metaqore_mesh.grpc.identity import Authenticator, identified
from metaqore_mesh.grpc.methods import Methods
from metaqore_mesh.grpc.observation import observed
from metaqore_mesh.health import Health

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
MAX_CALLS = 4096
"""So many calls may run at once, on all connections together; gRPC itself bounds neither."""

HEALTH_INTERVAL_S = 0.5

Register = Callable[[Any], None]
"""Given what stands for a server, it adds a service to it; generated code has one for each service."""


@asynccontextmanager
async def serve_grpc(
    address: str,
    services: Mapping[str, Register],
    *,
    authenticate: Authenticator,
    health: Health,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    grace_s: float = 30.0,
) -> AsyncIterator[int]:
    """Serve `services` on `address` (`host:port`, port 0 takes a free one) until the block ends; gives the port.

    `services` maps a service's full name to what registers it:

        {"metaqore.audit.v1.AuditService": partial(add_AuditServiceServicer_to_server, servicer)}

    The health service follows `health.readiness()`. At the end it says NOT_SERVING, no new call is taken, and calls
    that run have `grace_s` seconds before they are cancelled. Raises `port_taken`, also where another gRPC server has
    the port.
    """
    server = grpc.aio.server(
        interceptors=(AroundInterceptor(observed, told, identified(authenticate), most_bytes=max_message_bytes),),
        options=_options(max_message_bytes),
        maximum_concurrent_rpcs=MAX_CALLS,
    )
    methods = Methods()
    for register in services.values():
        register(methods)
    checks = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, methods)
    health_name = HEALTH.services_by_name["Health"].full_name
    names = (*services, health_name, SERVICE_NAME)
    reflected = reflection_aio.ReflectionServicer(names)  # type: ignore[attr-defined]
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflected, methods)
    server.add_generic_rpc_handlers((methods,))
    port = _bind(server, address)
    await _tell(checks, services, ready=False)
    await server.start()
    following = asyncio.create_task(_follow(checks, services, health))
    try:
        yield port
    finally:
        following.cancel()
        await asyncio.wait((following,))
        await checks.enter_graceful_shutdown()
        await server.stop(grace_s)


def _bind(server: grpc.aio.Server, address: str) -> int:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        message = f"The address {address} cannot be served: another program has the port, or it is not of this machine."
        raise MetaQoreError("port_taken", message, kind=ErrorKind.UNAVAILABLE) from error
    return port


async def _follow(checks: health_aio.HealthServicer, services: Mapping[str, Register], health: Health) -> None:
    before = False
    while True:
        ready = not any((await health.readiness()).values())
        if ready is not before:
            await _tell(checks, services, ready=ready)
            before = ready
        await asyncio.sleep(HEALTH_INTERVAL_S)


async def _tell(checks: health_aio.HealthServicer, services: Mapping[str, Register], *, ready: bool) -> None:
    status = HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
    for name in ("", *services):
        await checks.set(name, status)


def _options(max_message_bytes: int) -> tuple[tuple[str, int], ...]:
    return (
        ("grpc.so_reuseport", 0),  # two servers on one port would share its calls, and neither would know
        # gRPC refuses a larger one in words of its own, without a code: we are given some more, to tell it ourselves.
        ("grpc.max_receive_message_length", 2 * max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Clients ping every 30 s, also between calls (metaqore_mesh.grpc.channel); more often is refused.
        ("grpc.http2.min_ping_interval_without_data_ms", 15_000),
    )
