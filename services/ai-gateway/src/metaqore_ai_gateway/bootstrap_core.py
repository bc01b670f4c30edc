"""Puts the governed task together on its spool: part of the one place where ports meet adapters."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from metaqore_ai_gateway.adapters.configured import providers_of, rulebook_of
from metaqore_ai_gateway.adapters.scanner_hyperscan import HyperscanScanner
from metaqore_ai_gateway.adapters.task_observer import TelemetryObserver, tell_running
from metaqore_ai_gateway.adapters.task_trace import TracedObserver
from metaqore_ai_gateway.bootstrap_psmp import Governing
from metaqore_ai_gateway.domain.rulebook import Rulebook
from metaqore_ai_gateway.entrypoints.http import AsgiApp, HttpDoor
from metaqore_ai_gateway.entrypoints.http_chat import ChatCompletions, ChatLimits
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.govern_task import GovernTask
from metaqore_ai_gateway.service.interrupt_open import InterruptOpen
from metaqore_ai_gateway.service.ports import AuditSpool, Idempotency, Keys, ProjectNames, Provider
from metaqore_ai_gateway.service.record_decision import RecordDecision
from metaqore_ai_gateway.service.record_outcome import RecordOutcome
from metaqore_ai_gateway.service.route_call import RouteCall
from metaqore_ai_gateway.service.run_claim import Govern
from metaqore_ai_gateway.settings import GatewayGroup, GatewaySettings
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.ids import RANDOM_BYTES, uuid7
from metaqore_governance_core.scanner import Scanner
from metaqore_mesh.config import load_config
from metaqore_mesh.grpc.channel import connect
from metaqore_mesh.keys import DigestKeys, load_mesh_token, make_digest_keys, make_writer_key
from metaqore_mesh.randomness import RandomBytes
from metaqore_mesh.run_directory import RunDirectory
from metaqore_mesh.spool import SEALED, FileSpool, SpoolLimits
from metaqore_mesh.spool.disk import Disk
from metaqore_mesh.telemetry.tracing import enabled

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
    records: AuditSpool
    govern: GovernTask
    record_outcome: RecordOutcome
    admission: Admission
    scanner: Scanner
    digests: DigestKeys

    def recording_to(self, spool: AuditSpool) -> Core:
        """The same, with the records of all doors appended to `spool`."""
        record_outcome = RecordOutcome(spool, now_us)
        govern = replace(self.govern, record_decision=RecordDecision(spool, now_us), record_outcome=record_outcome)
        return replace(self, records=spool, govern=govern, record_outcome=record_outcome)

    @property
    def governing(self) -> Governing:
        """What governs commands as it governs tasks."""
        policy = self.rulebook.policy
        names = self.govern.project_names
        return Governing(policy, self.scanner, self.digests, self.records, names, self.admission, now_us, new_id)

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
    project_names: ProjectNames,
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
        scanner, digests = scanner or HyperscanScanner(), make_digest_keys(run)
        govern = GovernTask(
            rulebook=rulebook,
            scanner=scanner,
            digests=digests,
            record_decision=RecordDecision(spool, now_us),
            record_outcome=record_outcome,
            route_call=RouteCall(providers),
            admission=admission,
            observer=TracedObserver(TelemetryObserver()) if enabled() else TelemetryObserver(),
            project_names=project_names,
            now_us=now_us,
            new_id=new_id,
        )
        yield Core(rulebook, spool, spool, govern, record_outcome, admission, scanner, digests)


def http_door(  # noqa: PLR0917 - each is another part of the port
    core: Core, govern: Govern, group: GatewayGroup, keys: Keys, idempotency: Idempotency, slow: AsgiApp
) -> HttpDoor:
    """The application behind the REST port. `govern` is the core's, or what stands around it."""
    limits = ChatLimits(group.body_bytes, group.default_deadline_s, group.longest_deadline_s)
    chat = ChatCompletions(govern, keys, idempotency, limits, new_id)
    return HttpDoor(chat, keys, core.rulebook, slow)
