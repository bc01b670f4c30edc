"""Puts the gateway together: the one place where ports meet adapters."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from metaqore.audit.v1.audit_pb2_grpc import AuditServiceStub
from metaqore_ai_gateway.adapters.audit_client import IDEMPOTENT, AuditorClient
from metaqore_ai_gateway.adapters.configured import providers_of, rulebook_of
from metaqore_ai_gateway.adapters.housekeeping import Housekeeping
from metaqore_ai_gateway.adapters.idempotency import PostgresIdempotencyStore
from metaqore_ai_gateway.adapters.keys_first import make_first_key
from metaqore_ai_gateway.adapters.keys_ring import SnapshotKeyRing
from metaqore_ai_gateway.adapters.keys_store import PostgresKeyStore
from metaqore_ai_gateway.adapters.lifecycle_feed import ANNOUNCED, LifecycleFeed
from metaqore_ai_gateway.adapters.projection import PROJECTED, TaskProjection
from metaqore_ai_gateway.adapters.scanner_hyperscan import HyperscanScanner
from metaqore_ai_gateway.adapters.spool_follower import SpoolFollower
from metaqore_ai_gateway.adapters.standing import tell_standing
from metaqore_ai_gateway.adapters.task_observer import TelemetryObserver, tell_running
from metaqore_ai_gateway.adapters.task_trace import TracedObserver
from metaqore_ai_gateway.adapters.tasks_store import PostgresTaskStore
from metaqore_ai_gateway.bootstrap_kafka import kafka_door, topics
from metaqore_ai_gateway.collector import calm_collector
from metaqore_ai_gateway.domain.rulebook import Rulebook
from metaqore_ai_gateway.domain.task_request import TaskDefaults
from metaqore_ai_gateway.entrypoints.grpc import ApiKeyAuthenticator, services
from metaqore_ai_gateway.entrypoints.grpc_audit import AuditServicer
from metaqore_ai_gateway.entrypoints.grpc_keys import KeyServicer
from metaqore_ai_gateway.entrypoints.grpc_tasks import TaskServicer
from metaqore_ai_gateway.entrypoints.http import AsgiApp, HttpDoor
from metaqore_ai_gateway.entrypoints.http_chat import ChatCompletions, ChatLimits
from metaqore_ai_gateway.entrypoints.http_server import serve_http
from metaqore_ai_gateway.entrypoints.slow import slow_plane
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.govern_task import GovernTask
from metaqore_ai_gateway.service.interrupt_open import InterruptOpen
from metaqore_ai_gateway.service.keys import CreateKey, ListKeys, RevokeKey
from metaqore_ai_gateway.service.ports import AuditSpool, Idempotency, Keys, Provider
from metaqore_ai_gateway.service.record_decision import RecordDecision
from metaqore_ai_gateway.service.record_outcome import RecordOutcome
from metaqore_ai_gateway.service.route_call import RouteCall
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks
from metaqore_ai_gateway.settings import GatewayGroup, GatewaySettings
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.ids import RANDOM_BYTES, uuid7
from metaqore_governance_core.scanner import Scanner
from metaqore_mesh.config import load_config
from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.grpc.channel import connect
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health
from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.keys import load_mesh_token, make_digest_keys, make_writer_key
from metaqore_mesh.randomness import RandomBytes
from metaqore_mesh.run_directory import RunDirectory
from metaqore_mesh.spool import SEALED, FileSpool, SpoolLimits
from metaqore_mesh.spool.broker_spool import BrokerSpool
from metaqore_mesh.spool.disk import Disk
from metaqore_mesh.spool.shipper import Shipper
from metaqore_mesh.telemetry.tracing import enabled, tracing

NAME = "ai-gateway"
MIGRATIONS = "metaqore_ai_gateway.migrations"

_log = structlog.get_logger()


def now_us() -> int:
    """Microseconds since the Unix epoch."""
    return time.time_ns() // 1000


_random_bytes = RandomBytes(RANDOM_BYTES)


def new_id() -> str:
    """A new id for a task or a receipt."""
    return uuid7(time.time_ns() // 1_000_000, next(_random_bytes))


@dataclass(frozen=True, slots=True)
class Core:
    """What every door needs to govern a task."""

    rulebook: Rulebook
    spool: FileSpool
    govern: GovernTask
    record_outcome: RecordOutcome
    admission: Admission

    def recording_to(self, spool: AuditSpool) -> Core:
        """The same, with the records of all doors appended to `spool`."""
        record_outcome = RecordOutcome(spool, now_us)
        govern = replace(self.govern, record_decision=RecordDecision(spool, now_us), record_outcome=record_outcome)
        return replace(self, govern=govern, record_outcome=record_outcome)

    async def drain(self, group: GatewayGroup) -> None:
        """Take no more tasks, and finish those that run, within bounds."""
        self.admission.close()
        try:
            async with asyncio.timeout(group.drain_s):
                await self.admission.idle()
        except TimeoutError:
            _log.warning("gateway.drain_timed_out", running=self.admission.running)

    async def seal(self, group: GatewayGroup) -> None:
        """Wait until every record is sealed, within bounds; what is not sealed is shipped at the next start."""
        try:
            async with asyncio.timeout(group.seal_s):
                await self.spool.sealed()
        except (TimeoutError, MetaQoreError):
            _log.warning("gateway.unsealed_records", sealed_through=self.spool.sealed_through)


@asynccontextmanager
async def open_core(
    settings: GatewaySettings,
    *,
    holders: tuple[str, ...] = (SEALED,),
    scanner: Scanner | None = None,
    providers: Mapping[str, Provider] | None = None,
    disk: Disk | None = None,
) -> AsyncIterator[Core]:
    """The governed task on its spool; what is named besides `settings` replaces what they lead to.

    What the last run left open, and nobody will resume, is ended before this gives anything.
    """
    group, run = settings.gateway, RunDirectory(settings.run_dir)
    run.create()
    config = load_config(settings.config)
    rulebook = rulebook_of(config, settings.secure_gateway_policy)
    async with AsyncExitStack() as stack:
        spool = await stack.enter_async_context(
            await FileSpool.open(
                run.spool,
                make_writer_key(run),
                holders=holders,
                limits=SpoolLimits(
                    disk_bytes=group.spool_bytes,
                    segment_bytes=group.spool_segment_bytes,
                    gather_s=group.spool_gather_s,
                ),
                disk=disk,
            )
        )
        if providers is None:
            token = load_mesh_token(settings.mesh_token_file)
            channel = await stack.enter_async_context(connect(settings.inference.endpoint, mesh_token=token))
            providers = providers_of(config, channel, os.environ)
        for provider in providers.values():
            stack.push_async_callback(provider.close)
        record_outcome = RecordOutcome(spool, now_us)
        await InterruptOpen(record_outcome, now_us)(dict(spool.state.open))
        admission = Admission(group.running_tasks)
        tell_running(lambda: admission.running)
        govern = GovernTask(
            rulebook=rulebook,
            scanner=scanner or HyperscanScanner(),
            digests=make_digest_keys(run),
            record_decision=RecordDecision(spool, now_us),
            record_outcome=record_outcome,
            route_call=RouteCall(providers),
            admission=admission,
            observer=TracedObserver(TelemetryObserver()) if enabled() else TelemetryObserver(),
            now_us=now_us,
            new_id=new_id,
        )
        yield Core(rulebook, spool, govern, record_outcome, admission)


def http_door(core: Core, group: GatewayGroup, keys: Keys, idempotency: Idempotency, slow: AsgiApp) -> HttpDoor:
    """The application behind the REST port."""
    limits = ChatLimits(group.body_bytes, group.default_deadline_s, group.longest_deadline_s)
    chat = ChatCompletions(core.govern, keys, idempotency, limits, new_id)
    return HttpDoor(chat, keys, core.rulebook, slow)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the doors are open."""

    rest: int
    grpc: int


def _check_durability(settings: GatewaySettings) -> None:
    """Raise `durability_not_kept` where requests would wait for a broker that keeps nothing."""
    if settings.gateway.durability == "broker" and settings.kafka.embedded:
        raise MetaQoreError(
            "durability_not_kept",
            "METAQORE_GATEWAY__DURABILITY=broker needs a broker that keeps what it acks; the embedded one does not. "
            "Name your own in METAQORE_KAFKA__BOOTSTRAP_SERVERS, or leave durability at spool.",
        )


@asynccontextmanager
async def bootstrap(settings: GatewaySettings, health: Health) -> AsyncIterator[Ports]:
    """The gateway, serving until the block ends. Then it takes no more tasks, finishes those it has, and closes."""
    group, url = settings.gateway, settings.database.url
    async with AsyncExitStack() as stack:
        stack.enter_context(tracing(NAME, otlp_endpoint=settings.telemetry.otlp_endpoint))
        await migrate(url, MIGRATIONS)
        pool = await stack.enter_async_context(open_pool(url, name=NAME, size=settings.database.pool_size))
        await make_first_key(pool, RunDirectory(settings.run_dir).api_key)
        keys = SnapshotKeyRing(pool)
        await keys.refresh()
        _check_durability(settings)
        core = await stack.enter_async_context(open_core(settings, holders=(SEALED, PROJECTED, ANNOUNCED)))
        health.add_liveness("spool", core.spool.liveness)
        health.add_readiness("spool", core.spool.readiness)
        idempotency = PostgresIdempotencyStore(pool, core.spool.writer)
        await idempotency.release_all()
        token = load_mesh_token(settings.mesh_token_file)
        channel = await stack.enter_async_context(
            connect(settings.auditor.endpoint, mesh_token=token, idempotent=IDEMPOTENT)
        )
        auditor = AuditServiceStub(channel)
        audit = AuditorClient(auditor)
        bus = Bus(settings.kafka, client_id=NAME, topics=topics())
        await bus.start()
        stack.push_async_callback(bus.stop)
        shipper = Shipper(core.spool, bus.publisher, audit.sealed_through)
        if group.durability == "broker":
            core = core.recording_to(BrokerSpool(core.spool, shipper))
        defaults = TaskDefaults(core.rulebook.default_model, group.default_deadline_s, group.longest_deadline_s)
        kafka = kafka_door(
            settings.kafka,
            bus,
            pool,
            spool=core.spool,
            auditor=audit,
            keys=keys,
            rulebook=core.rulebook,
            govern=core.govern,
            record_outcome=core.record_outcome,
            defaults=defaults,
            running_tasks=group.kafka_tasks,
            now_us=now_us,
            new_id=new_id,
        )
        tell_standing(health, bus, keys, lambda: kafka.take.working)
        tasks = PostgresTaskStore(pool)
        get_task, list_tasks = GetTask(tasks), ListTasks(tasks)
        slow = slow_plane(keys=keys, get_task=get_task, list_tasks=list_tasks, health=health)
        door = http_door(core, group, keys, idempotency, slow)
        http = serve_http(door, group.host, group.rest_port, connections=group.rest_connections)
        store = PostgresKeyStore(pool)
        grpc = serve_grpc(
            f"{group.host}:{group.grpc_port}",
            services(
                TaskServicer(core.govern, idempotency, get_task, list_tasks, defaults, new_id),
                KeyServicer(CreateKey(store), ListKeys(store), RevokeKey(store)),
                AuditServicer(auditor),
            ),
            authenticate=ApiKeyAuthenticator(keys),
            health=health,
            max_message_bytes=group.body_bytes,
        )
        running = await stack.enter_async_context(asyncio.TaskGroup())
        background = [
            running.create_task(work)
            for work in (
                keys.run(),
                shipper.run(),
                SpoolFollower(pool, core.spool, PROJECTED, TaskProjection(pool, core.spool.writer), saves=False).run(),
                SpoolFollower(pool, core.spool, ANNOUNCED, LifecycleFeed(bus.publisher.publish_all)).run(),
                Housekeeping((idempotency.forget_old, kafka.store.forget_old)).run(),
            )
        ]
        try:
            await kafka.open()
            async with http as rest, grpc as grpc_port:
                calm_collector()
                try:
                    yield Ports(rest, grpc_port)
                finally:
                    await asyncio.gather(core.drain(group), kafka.drain(group.drain_s))
                    await core.seal(group)
        finally:
            for task in background:
                task.cancel()
