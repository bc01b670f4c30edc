"""Puts PSMP together: part of the one place where ports meet adapters."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import asyncpg

from metaqore_ai_gateway.adapters.lifecycle_feed import PublishAll
from metaqore_ai_gateway.adapters.psmp.answers import PostgresAnswers
from metaqore_ai_gateway.adapters.psmp.body_store import ObjectBodyStore
from metaqore_ai_gateway.adapters.psmp.catalog import PostgresCatalog
from metaqore_ai_gateway.adapters.psmp.checkpoints import PostgresCheckpoints
from metaqore_ai_gateway.adapters.psmp.conflict_reads import PostgresConflicts
from metaqore_ai_gateway.adapters.psmp.due import PostgresDueItems
from metaqore_ai_gateway.adapters.psmp.event_feed import EventFeed
from metaqore_ai_gateway.adapters.psmp.event_tail import EventTail
from metaqore_ai_gateway.adapters.psmp.forget import ForgetOld
from metaqore_ai_gateway.adapters.psmp.history import PostgresHistory
from metaqore_ai_gateway.adapters.psmp.kept_bodies import PostgresKeptBodies
from metaqore_ai_gateway.adapters.psmp.places import PostgresPlaces
from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
from metaqore_ai_gateway.adapters.psmp.provenance import PostgresProvenance
from metaqore_ai_gateway.adapters.psmp.relay import EventRelay
from metaqore_ai_gateway.adapters.psmp.replay import PostgresReplay
from metaqore_ai_gateway.adapters.psmp.roles import prepare_roles
from metaqore_ai_gateway.adapters.psmp.told_tasks import ToldTasks
from metaqore_ai_gateway.adapters.psmp.webhook_fan_out import CONSUMER, WebhookFanOut
from metaqore_ai_gateway.adapters.psmp.webhook_queue import PostgresDeliveryQueue
from metaqore_ai_gateway.adapters.psmp.webhook_roles import prepare_webhook_roles
from metaqore_ai_gateway.adapters.psmp.webhook_store import PostgresWebhookStore
from metaqore_ai_gateway.adapters.psmp_watch import count_passed_over
from metaqore_ai_gateway.adapters.tasks_store import PostgresTaskStore
from metaqore_ai_gateway.adapters.webhook_post import WebhookPost
from metaqore_ai_gateway.adapters.webhook_signing import WrappedSecrets, signed
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.ports import AuditSpool, Idempotency, ProjectNames
from metaqore_ai_gateway.service.psmp.carry_out import CarryOut
from metaqore_ai_gateway.service.psmp.decide_command import DecideCommand
from metaqore_ai_gateway.service.psmp.default_project import DefaultProject
from metaqore_ai_gateway.service.psmp.deliver_webhooks import DeliverWebhooks
from metaqore_ai_gateway.service.psmp.govern_command import GovernCommand
from metaqore_ai_gateway.service.psmp.named_tasks import CheckTasks
from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
from metaqore_ai_gateway.service.psmp.readings import ProjectReadings
from metaqore_ai_gateway.service.psmp.resolve_conflict import PlanResolution
from metaqore_ai_gateway.service.psmp.restore import RestoreCheckpoint
from metaqore_ai_gateway.service.psmp.seen_tasks import SeeTasks
from metaqore_ai_gateway.service.psmp.target import FindTarget
from metaqore_ai_gateway.service.psmp.tell_again import TellAgain
from metaqore_ai_gateway.service.psmp.timers import Timers
from metaqore_ai_gateway.service.psmp.upload_body import UploadBody
from metaqore_ai_gateway.service.psmp.watch_hub import WatchHub
from metaqore_ai_gateway.service.psmp.watching import Watching
from metaqore_ai_gateway.service.psmp.ways_out import FindWaysOut
from metaqore_ai_gateway.service.psmp.webhook_repeats import RepeatedRequests
from metaqore_ai_gateway.service.psmp.webhooks import Webhooks
from metaqore_governance_core.decision import Policy
from metaqore_governance_core.scanner import Scanner
from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import Bodies, ObjectSettings, collect_orphans, make_body_keys, open_objects
from metaqore_mesh.run_directory import RunDirectory

WEBHOOK_AGENT: Final = "metaqore-webhooks/1"
EVENTS: Final = "events"
"""The consumer that takes events to their topic."""


@dataclass(frozen=True, slots=True)
class Governing:
    """What governs tasks and commands alike."""

    policy: Policy
    scanner: Scanner
    digests: DigestKeys
    spool: AuditSpool
    project_names: ProjectNames
    admission: Admission
    now_us: Callable[[], int]
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Psmp:
    """What the doors onto PSMP need, and what goes on beside them: `work` runs until it is cancelled."""

    gate: GovernCommand
    readings: ProjectReadings
    uploads: UploadBody
    watching: Watching
    webhooks: Webhooks
    queues: ProjectQueues
    told_tasks: ToldTasks
    chores: tuple[Callable[[], Awaitable[object]], ...]
    work: tuple[Callable[[], Coroutine[Any, Any, None]], ...]


@dataclass(frozen=True, slots=True)
class Stores:
    """Where PSMP is kept: `url` is the database behind `pool`. Webhooks may go to `webhook_hosts` in any net."""

    url: str
    pool: asyncpg.Pool[asyncpg.Record]
    run: RunDirectory
    objects: ObjectSettings
    webhook_hosts: tuple[str, ...] = ()


async def open_psmp(
    stores: Stores, governing: Governing, idempotency: Idempotency, publish_all: PublishAll, name: str
) -> Psmp:
    """PSMP on its tables, its store of objects and the bus. Raises `psmp_roles_missing`."""
    pool, now_us, new_id = stores.pool, governing.now_us, governing.new_id
    await prepare_roles(pool)
    await prepare_webhook_roles(pool)
    objects = await open_objects(stores.objects, directory=stores.run.objects, environ=os.environ)
    rows = PostgresKeptBodies(pool)
    keys = make_body_keys(stores.run.body_key)
    limits = {"limit_bytes": stores.objects.limit_bytes, "inline_bytes": stores.objects.inline_bytes}
    sealed = Bodies(objects, keys, governing.digests, rows, **limits)
    bodies = ObjectBodyStore(sealed, rows, governing.digests)
    history, checkpoints, places = PostgresHistory(pool), PostgresCheckpoints(pool), PostgresPlaces(pool)
    queues = ProjectQueues(PostgresProjectStore(pool))
    decide = DecideCommand(
        governing.policy, governing.scanner, governing.digests, governing.spool, governing.project_names, now_us, new_id
    )
    default_project = DefaultProject(queues, new_id, now_us)
    tasks = CheckTasks(places, PostgresTaskStore(pool))
    gate = GovernCommand(
        FindTarget(places, new_id),
        decide,
        CarryOut(queues, history, checkpoints, bodies, default_project, tasks),
        FindWaysOut(history),
        PostgresAnswers(pool),
        bodies,
        TellAgain(places, PlanResolution(history, bodies), RestoreCheckpoint(history, queues, bodies)),
        governing.admission,
        now_us,
    )
    readings = ProjectReadings(
        catalog=PostgresCatalog(pool),
        history=history,
        conflict_rows=PostgresConflicts(pool),
        provenance_rows=PostgresProvenance(pool),
        checkpoint_rows=checkpoints,
        replay=PostgresReplay(pool),
        bodies=bodies,
        now_us=now_us,
    )
    hub, forget = WatchHub(), ForgetOld(pool)
    watching, queue, secrets = Watching(hub, readings), PostgresDeliveryQueue(pool), WrappedSecrets(keys)
    hosts = stores.webhook_hosts
    store, repeats = PostgresWebhookStore(pool), RepeatedRequests(idempotency, secrets)
    return Psmp(
        gate=gate,
        readings=readings,
        uploads=UploadBody(bodies, decide),
        watching=watching,
        webhooks=Webhooks(store, repeats, secrets, readings, watching.check, decide, hosts, now_us, new_id),
        queues=queues,
        told_tasks=ToldTasks(SeeTasks(places, queues, count_passed_over)),
        chores=(forget.answers, forget.unused_bodies, partial(collect_orphans, objects, rows), queue.forget_old),
        work=(
            EventRelay(stores.url, EVENTS, EventFeed(publish_all), name).run,
            EventTail(stores.url, hub, name).run,
            EventRelay(stores.url, CONSUMER, WebhookFanOut(pool, now_us), name).run,
            DeliverWebhooks(queue, WebhookPost(hosts, WEBHOOK_AGENT), signed, secrets, now_us).run,
            Timers(PostgresDueItems(pool), queues.submit, now_us, new_id).run,
        ),
    )
