"""The mesh that `metaqore up` runs, from its settings to its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from metaqore_mesh.config import load_config
from metaqore_mesh.durability import check_durability
from metaqore_mesh.embedded.part import Progress
from metaqore_mesh.embedded.plan import Plan
from metaqore_mesh.embedded.settings import UpSettings
from metaqore_mesh.embedded.supervisor import Supervisor
from metaqore_mesh.ports import free_ports
from metaqore_mesh.run_directory import RunDirectory


def up(settings: UpSettings, progress: Callable[[Progress], None], *, ready: Callable[[], None]) -> None:
    """Run the mesh until SIGTERM or SIGINT; a second signal kills the parts. `ready` is called once all are.

    Raises `MetaQoreError` where it cannot start.
    """
    asyncio.run(_up(settings, progress, ready))


async def _up(settings: UpSettings, progress: Callable[[Progress], None], ready: Callable[[], None]) -> None:
    supervisor = supervised(settings, progress)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.request_stop)
    telling = loop.create_task(_tell(supervisor, ready))
    try:
        await supervisor.run()
    finally:
        telling.cancel()


async def _tell(supervisor: Supervisor, ready: Callable[[], None]) -> None:
    await supervisor.running()
    ready()


def supervised(settings: UpSettings, progress: Callable[[Progress], None]) -> Supervisor:
    """The supervisor of the whole mesh.

    Raises `MetaQoreError` where metaqore.yaml, the policy or the durability does not hold.
    """
    check_durability(settings.gateway.durability, embedded=not settings.kafka.bootstrap_servers)
    load_config(settings.config).governing(settings.secure_gateway_policy)
    placed = with_free_ports(settings) if settings.free_ports else settings
    plan = Plan(placed, RunDirectory(placed.run_dir))
    return Supervisor(
        plan.parts(),
        plan.run,
        endpoints=plan.endpoints(),
        backoff=placed.restart,
        start_timeout_s=placed.start_timeout_s,
        before=plan.before,
        progress=progress,
    )


def with_free_ports(settings: UpSettings) -> UpSettings:
    """The settings with every port replaced by one that nothing listens on."""
    rest, gateway_grpc, gateway_metrics, inference, inference_metrics, auditor, auditor_metrics, broker = free_ports(8)
    gateway = {"rest_port": rest, "grpc_port": gateway_grpc, "metrics_port": gateway_metrics}
    return settings.model_copy(
        update={
            "gateway": settings.gateway.model_copy(update=gateway),
            "inference": settings.inference.model_copy(
                update={"grpc_port": inference, "metrics_port": inference_metrics}
            ),
            "auditor": settings.auditor.model_copy(update={"grpc_port": auditor, "metrics_port": auditor_metrics}),
            "broker": settings.broker.model_copy(update={"port": broker}),
        }
    )
