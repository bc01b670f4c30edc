"""Puts the gateway together: the one place where ports meet adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
import structlog

from metaqore.audit.v1.audit_pb2_grpc import AuditServiceStub
from metaqore_ai_gateway.adapters.audit_client import IDEMPOTENT, AuditorClient
from metaqore_ai_gateway.adapters.housekeeping import Housekeeping
from metaqore_ai_gateway.adapters.idempotency import PostgresIdempotencyStore
from metaqore_ai_gateway.adapters.keys_first import make_first_key
from metaqore_ai_gateway.adapters.keys_ring import SnapshotKeyRing
from metaqore_ai_gateway.adapters.keys_store import PostgresKeyStore
from metaqore_ai_gateway.adapters.lifecycle_feed import ANNOUNCED, LifecycleFeed
from metaqore_ai_gateway.adapters.projection import PROJECTED, TaskProjection
from metaqore_ai_gateway.adapters.psmp.project_names import PostgresProjectNames
from metaqore_ai_gateway.adapters.psmp.told_tasks import TOLD
from metaqore_ai_gateway.adapters.spool_follower import SpoolFollower
from metaqore_ai_gateway.adapters.standing import tell_standing
from metaqore_ai_gateway.adapters.tasks_store import PostgresTaskStore
from metaqore_ai_gateway.bootstrap_core import http_door, new_id, now_us, open_core
from metaqore_ai_gateway.bootstrap_kafka import kafka_door, topics
from metaqore_ai_gateway.bootstrap_proposals import proposing
from metaqore_ai_gateway.bootstrap_psmp import Stores, open_psmp
from metaqore_ai_gateway.bootstrap_psmp_kafka import command_consumer, command_topics
from metaqore_ai_gateway.collector import calm_collector
from metaqore_ai_gateway.domain.task_request import TaskDefaults
from metaqore_ai_gateway.entrypoints.grpc import ApiKeyAuthenticator, services
from metaqore_ai_gateway.entrypoints.grpc_audit import AuditServicer
from metaqore_ai_gateway.entrypoints.grpc_keys import KeyServicer
from metaqore_ai_gateway.entrypoints.grpc_tasks import TaskServicer
from metaqore_ai_gateway.entrypoints.http_server import serve_http
from metaqore_ai_gateway.entrypoints.psmp_grpc.services import psmp_services
from metaqore_ai_gateway.entrypoints.psmp_grpc.watch import WatchServicer
from metaqore_ai_gateway.entrypoints.psmp_rest.door import PsmpDoor, RestLimits
from metaqore_ai_gateway.entrypoints.psmp_rest.websocket import EventStream
from metaqore_ai_gateway.entrypoints.slow.plane import slow_plane
from metaqore_ai_gateway.service.keys import CreateKey, ListKeys, RevokeKey
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks
from metaqore_ai_gateway.settings import GatewaySettings
from metaqore_governance_core.contracts.topics import PSMP_EVENTS
from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.durability import check_durability
from metaqore_mesh.grpc.channel import connect
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health
from metaqore_mesh.kafka import TopicSpec
from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.keys import load_mesh_token
from metaqore_mesh.run_directory import RunDirectory
from metaqore_mesh.spool import SEALED, FileSpool
from metaqore_mesh.spool.broker_spool import BrokerSpool
from metaqore_mesh.spool.shipper import Pace, Shipper

NAME = "ai-gateway"
MIGRATIONS = "metaqore_ai_gateway.migrations"

GRPC_END_S: Final = 5.0
"""How long calls have to end once tasks had their time to: most that still run then watch, and never end."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the doors are open."""

    rest: int
    grpc: int


async def _opened_keys(pool: asyncpg.Pool[asyncpg.Record], settings: GatewaySettings) -> SnapshotKeyRing:
    """The API keys as they are, the first one made where there was none."""
    await make_first_key(pool, RunDirectory(settings.run_dir).api_key)
    keys = SnapshotKeyRing(pool)
    await keys.refresh()
    return keys


def _tell_spool(health: Health, spool: FileSpool) -> None:
    health.add_liveness("spool", spool.liveness)
    health.add_readiness("spool", spool.readiness)


@asynccontextmanager
async def _auditor(settings: GatewaySettings) -> AsyncIterator[AuditServiceStub]:
    token = load_mesh_token(settings.mesh_token_file)
    async with connect(settings.auditor.endpoint, mesh_token=token, idempotent=IDEMPOTENT) as channel:
        yield AuditServiceStub(channel)


def _pace(settings: GatewaySettings) -> Pace:
    """Where answers wait for the broker, none waits for others to go with."""
    return Pace(gather_s=0) if settings.gateway.durability == "broker" else Pace()


@asynccontextmanager
async def bootstrap(settings: GatewaySettings, health: Health) -> AsyncIterator[Ports]:
    """The gateway, serving until the block ends. Then it takes no more tasks, finishes those it has, and closes."""
    group, url = settings.gateway, settings.database.url
    check_durability(group.durability, embedded=settings.kafka.embedded)
    async with AsyncExitStack() as stack:
        await migrate(url, MIGRATIONS)
        pool = await stack.enter_async_context(open_pool(url, name=NAME, size=settings.database.pool_size))
        keys = await _opened_keys(pool, settings)
        holders = (SEALED, PROJECTED, ANNOUNCED, TOLD)
        core = await stack.enter_async_context(open_core(settings, PostgresProjectNames(pool), holders=holders))
        _tell_spool(health, core.spool)
        idempotency = PostgresIdempotencyStore(pool, core.spool.writer)
        auditor = await stack.enter_async_context(_auditor(settings))
        bus = Bus(settings.kafka, client_id=NAME, topics=[*topics(), *command_topics(), TopicSpec(PSMP_EVENTS)])
        await bus.start()
        stack.push_async_callback(bus.stop)
        shipper = Shipper(core.spool, bus.publisher, AuditorClient(auditor).sealed_through, _pace(settings))
        if group.durability == "broker":
            core = core.recording_to(BrokerSpool(core.spool, shipper))
        psmp = await open_psmp(
            Stores(url, pool, RunDirectory(settings.run_dir), settings.objects, group.webhook_hosts),
            core.governing,
            idempotency,
            bus.publisher.publish_all,
            NAME,
        )
        offers = proposing(psmp, core.digests)
        defaults = TaskDefaults(core.rulebook.default_model, group.default_deadline_s, group.longest_deadline_s)
        kafka = kafka_door(
            settings.kafka,
            bus,
            pool,
            spool=core.spool,
            auditor=AuditorClient(auditor),
            keys=keys,
            rulebook=core.rulebook,
            govern=core.govern,
            around=offers.around,
            record_outcome=core.record_outcome,
            defaults=defaults,
            running_tasks=group.kafka_tasks,
            now_us=now_us,
            new_id=new_id,
        )
        commands = command_consumer(settings.kafka, bus, keys=keys, gate=psmp.gate, scanner=core.scanner)
        tell_standing(health, bus, keys, lambda: kafka.take.working)
        limits, tasks = RestLimits(group.body_bytes, settings.objects.limit_bytes), PostgresTaskStore(pool)
        get_task, list_tasks = GetTask(tasks), ListTasks(tasks)
        psmp_door = PsmpDoor(psmp.gate, psmp.readings, psmp.uploads, get_task, list_tasks, limits)
        slow = slow_plane(
            keys=keys,
            psmp=psmp_door,
            health=health,
            stream=EventStream(psmp.watching, keys),
            webhooks=psmp.webhooks,
        )
        http = serve_http(
            http_door(core, offers.around(core.govern), group, keys, idempotency, slow),
            group.host,
            group.rest_port,
            connections=group.rest_connections,
        )
        store, clients = PostgresKeyStore(pool), ApiKeyAuthenticator(keys)
        grpc = serve_grpc(
            f"{group.host}:{group.grpc_port}",
            services(
                TaskServicer(offers.around(core.govern), idempotency, get_task, list_tasks, defaults, new_id),
                KeyServicer(CreateKey(store), ListKeys(store), RevokeKey(store)),
                AuditServicer(auditor, clients),
            )
            | psmp_services(psmp.gate, psmp.readings, psmp.uploads, WatchServicer(psmp.watching, clients)),
            authenticate=clients,
            health=health,
            max_message_bytes=group.body_bytes,
            grace_s=GRPC_END_S,
        )
        running = await stack.enter_async_context(asyncio.TaskGroup())
        background = [
            running.create_task(work)
            for work in (
                keys.run(),
                shipper.run(),
                SpoolFollower(pool, core.spool, PROJECTED, TaskProjection(pool, core.spool.writer), saves=False).run(),
                SpoolFollower(pool, core.spool, ANNOUNCED, LifecycleFeed(bus.publisher.publish_all)).run(),
                SpoolFollower(pool, core.spool, TOLD, psmp.told_tasks).run(),
                Housekeeping((idempotency.forget_old, kafka.store.forget_old, *psmp.chores)).run(),
                *(work() for work in psmp.work),
            )
        ]
        try:
            await kafka.open()
            await commands.start()
            async with http as rest, grpc as grpc_port:
                calm_collector()
                try:
                    yield Ports(rest, grpc_port)
                finally:
                    await commands.stop(group.drain_s)
                    await asyncio.gather(core.drain(group), kafka.drain(group.drain_s))
                    await offers.drain(group.drain_s)
                    await psmp.queues.settled()
                    await core.seal(group)
        finally:
            for task in background:
                task.cancel()
