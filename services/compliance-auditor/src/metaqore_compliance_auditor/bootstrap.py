"""Puts the auditor together: the logs' store, the sealer on the audit topic, and the gRPC server for reads."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from metaqore.audit.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from metaqore_compliance_auditor.adapters.checkpoint_feed import KafkaCheckpointFeed
from metaqore_compliance_auditor.adapters.notary import KeyNotary
from metaqore_compliance_auditor.adapters.postgres.doorbell import Doorbell
from metaqore_compliance_auditor.adapters.postgres.faults import PostgresFaultBook
from metaqore_compliance_auditor.adapters.postgres.places import PostgresPlaces
from metaqore_compliance_auditor.adapters.postgres.reading import PostgresLogReader
from metaqore_compliance_auditor.adapters.postgres.sealing import PostgresSealStore
from metaqore_compliance_auditor.adapters.trusted_writers import TrustDirectory
from metaqore_compliance_auditor.adapters.wire import parse_facts
from metaqore_compliance_auditor.domain.admission import WriterPosition
from metaqore_compliance_auditor.entrypoints.grpc import AuditServicer
from metaqore_compliance_auditor.entrypoints.kafka import CONSUMER, AuditIntake
from metaqore_compliance_auditor.service.checking import CheckLogs
from metaqore_compliance_auditor.service.ports import Tenure
from metaqore_compliance_auditor.service.reading import LogReading
from metaqore_compliance_auditor.service.sealing import Sealer, SealLimits
from metaqore_compliance_auditor.service.tenures import Tenures
from metaqore_compliance_auditor.service.verifying import VerifyLog
from metaqore_compliance_auditor.settings import AuditorSettings
from metaqore_governance_core.contracts.topics import AUDIT_CHECKPOINTS, AUDIT_RECORDS
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.grpc.identity import MeshAuthenticator
from metaqore_mesh.grpc.server import serve_grpc
from metaqore_mesh.health import Health
from metaqore_mesh.kafka import TopicSpec
from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.kafka.dead_letters import dead_letter_spec
from metaqore_mesh.keys import load_mesh_token, make_log_key
from metaqore_mesh.run_directory import RunDirectory

NAME = "compliance-auditor"
SERVICE = "metaqore.audit.v1.AuditService"
MIGRATIONS = "metaqore_compliance_auditor.migrations"


@asynccontextmanager
async def bootstrap(settings: AuditorSettings, health: Health) -> AsyncIterator[int]:
    """The auditor, serving and sealing until the block ends; gives its gRPC port."""
    group, url = settings.auditor, settings.database.url
    run = RunDirectory(settings.run_dir)
    run.create()
    notary = KeyNotary(run.make_mesh_id(), make_log_key(run))
    writers = TrustDirectory(run.writers, _given_keys(group.writers))
    token = load_mesh_token(settings.mesh_token_file)
    await migrate(url, MIGRATIONS)
    stopping = asyncio.Event()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(url, name=NAME, size=settings.database.pool_size))
        bus = Bus(settings.kafka, client_id=NAME, topics=_topics())
        await bus.start()
        stack.push_async_callback(bus.stop)
        doorbell = Doorbell()
        reader, book = PostgresLogReader(pool, doorbell), PostgresFaultBook(pool)

        def make_sealer(tenure: Tenure, positions: dict[str, WriterPosition]) -> Sealer:
            limits = SealLimits(group.seal_delay_s, group.seal_records, group.waiting_records)
            return Sealer(tenure, positions, reader=reader, notary=notary, writers=writers, faults=book, limits=limits)

        tenures = Tenures(
            store=PostgresSealStore(url),
            make_sealer=make_sealer,
            intake=AuditIntake(settings.kafka, bus.dead_letters, bus.probe, PostgresPlaces(pool)),
            feed=KafkaCheckpointFeed(bus.publisher, notary.origin),
        )
        checks = CheckLogs(VerifyLog(reader, notary, writers, parse_facts), reader, book)
        reading = LogReading(reader, tenures.received, stopping)
        health.add_readiness("bus", bus.unready)
        health.add_readiness("database", reader.unready)
        health.add_readiness("logs", checks.unsound)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        sealing = tasks.create_task(tenures.run(stopping))
        background = [tasks.create_task(doorbell.follow(url))]
        if group.verify_at_start:
            background.append(tasks.create_task(checks.check_all(group.verify_share)))
        register = partial(add_AuditServiceServicer_to_server, AuditServicer(reading, checks))
        server = serve_grpc(
            f"{group.host}:{group.grpc_port}",
            {SERVICE: register},
            authenticate=MeshAuthenticator(token),
            health=health,
        )
        try:
            async with server as port:
                try:
                    yield port
                finally:
                    stopping.set()  # streams that follow a log end, so that the server need not wait for them
        finally:
            stopping.set()
            for task in background:
                task.cancel()
            await asyncio.wait((sealing,))


def _topics() -> list[TopicSpec]:
    return [TopicSpec(AUDIT_RECORDS), TopicSpec(AUDIT_CHECKPOINTS), dead_letter_spec(AUDIT_RECORDS, CONSUMER)]


def _given_keys(writers: Mapping[str, str]) -> dict[str, bytes]:
    try:
        return {writer: base64.b64decode(text, validate=True) for writer, text in writers.items()}
    except binascii.Error as error:
        message = "Each value of METAQORE_AUDITOR__WRITERS is the base64 of a public key's 32 raw bytes."
        raise MetaQoreError("writers_invalid", message) from error
