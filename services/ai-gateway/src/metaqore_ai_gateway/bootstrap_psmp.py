"""Puts PSMP together: part of the one place where ports meet adapters."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg

from metaqore_ai_gateway.adapters.psmp.answers import PostgresAnswers
from metaqore_ai_gateway.adapters.psmp.body_store import ObjectBodyStore
from metaqore_ai_gateway.adapters.psmp.checkpoints import PostgresCheckpoints
from metaqore_ai_gateway.adapters.psmp.history import PostgresHistory
from metaqore_ai_gateway.adapters.psmp.kept_bodies import PostgresKeptBodies
from metaqore_ai_gateway.adapters.psmp.places import PostgresPlaces
from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
from metaqore_ai_gateway.adapters.psmp.roles import prepare_roles
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.ports import AuditSpool
from metaqore_ai_gateway.service.psmp.carry_out import CarryOut
from metaqore_ai_gateway.service.psmp.decide_command import DecideCommand
from metaqore_ai_gateway.service.psmp.default_project import DefaultProject
from metaqore_ai_gateway.service.psmp.govern_command import GovernCommand
from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
from metaqore_ai_gateway.service.psmp.target import FindTarget
from metaqore_ai_gateway.service.psmp.upload_body import UploadBody
from metaqore_governance_core.decision import Policy
from metaqore_governance_core.scanner import Scanner
from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import Bodies, ObjectStore, make_body_keys, open_objects
from metaqore_mesh.objects.settings import ObjectSettings
from metaqore_mesh.run_directory import RunDirectory


@dataclass(frozen=True, slots=True)
class Governing:
    """What governs tasks and commands alike."""

    policy: Policy
    scanner: Scanner
    digests: DigestKeys
    spool: AuditSpool
    admission: Admission
    now_us: Callable[[], int]
    new_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Psmp:
    """What the doors onto PSMP need."""

    gate: GovernCommand
    uploads: UploadBody
    queues: ProjectQueues
    history: PostgresHistory
    checkpoints: PostgresCheckpoints
    bodies: ObjectBodyStore
    objects: ObjectStore
    rows: PostgresKeptBodies


async def open_psmp(
    pool: asyncpg.Pool[asyncpg.Record], run: RunDirectory, settings: ObjectSettings, governing: Governing
) -> Psmp:
    """PSMP on its tables and its store of objects. Raises `psmp_roles_missing`."""
    await prepare_roles(pool)
    objects = await open_objects(settings, directory=run.objects, environ=os.environ)
    rows = PostgresKeptBodies(pool)
    keys = make_body_keys(run.body_key)
    sealed = Bodies(objects, keys, governing.digests, rows, limit_bytes=settings.limit_bytes)
    bodies = ObjectBodyStore(sealed, rows, governing.digests)
    history, checkpoints = PostgresHistory(pool), PostgresCheckpoints(pool)
    queues = ProjectQueues(PostgresProjectStore(pool))
    places = PostgresPlaces(pool)
    now_us, new_id = governing.now_us, governing.new_id
    decide = DecideCommand(governing.policy, governing.scanner, governing.digests, governing.spool, now_us, new_id)
    carry_out = CarryOut(queues, history, checkpoints, places, bodies, DefaultProject(queues, new_id, now_us), new_id)
    gate = GovernCommand(
        FindTarget(places, new_id), decide, carry_out, PostgresAnswers(pool), governing.admission, now_us
    )
    return Psmp(gate, UploadBody(bodies, decide), queues, history, checkpoints, bodies, objects, rows)
