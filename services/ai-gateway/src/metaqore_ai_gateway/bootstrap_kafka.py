"""Puts the Kafka door together: part of the one place where ports meet adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.bus_watch import BusWatch
from metaqore_ai_gateway.adapters.inbox import PostgresClaimStore
from metaqore_ai_gateway.adapters.task_dead_letters import SERVICE, TaskDeadLetters
from metaqore_ai_gateway.adapters.task_histories import RecordedHistories, SealedRecords
from metaqore_ai_gateway.adapters.task_results import KafkaResults
from metaqore_ai_gateway.domain.rulebook import Rulebook
from metaqore_ai_gateway.domain.task_request import TaskDefaults
from metaqore_ai_gateway.entrypoints.kafka import GROUP, TOPIC, TaskDoor
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.govern_task import GovernTask
from metaqore_ai_gateway.service.outcome_gate import OutcomeGate
from metaqore_ai_gateway.service.ports import Keys
from metaqore_ai_gateway.service.record_outcome import RecordOutcome
from metaqore_ai_gateway.service.resume_claim import ResumeClaim
from metaqore_ai_gateway.service.run_claim import Govern, RunClaim
from metaqore_ai_gateway.service.take_tasks import TakeTasks
from metaqore_governance_core.contracts.topics import TASK_LIFECYCLE, TASK_REQUESTS, TASK_RESULTS
from metaqore_mesh.kafka import BatchConsumer, ConsumerLimits, TopicSpec
from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.kafka.dead_letters import dead_letter_spec
from metaqore_mesh.settings import KafkaSettings
from metaqore_mesh.spool import FileSpool

LARGEST_BATCH: Final = 256


def topics() -> list[TopicSpec]:
    """The topics that the gateway writes or reads."""
    named = [TopicSpec(name) for name in (TASK_REQUESTS, TASK_RESULTS, TASK_LIFECYCLE)]
    return [*named, dead_letter_spec(TASK_REQUESTS, SERVICE)]


@dataclass(frozen=True, slots=True)
class KafkaDoor:
    """The door, its consumer, and the claims behind it."""

    consumer: BatchConsumer
    take: TakeTasks
    store: PostgresClaimStore

    async def open(self) -> None:
        """Take up what was left unfinished, then new tasks."""
        await self.take.resume_all()
        await self.consumer.start()

    async def drain(self, timeout_s: float) -> None:
        """Take no more tasks, finish those that are claimed."""
        await self.consumer.stop(timeout_s)
        await self.take.drain(timeout_s)


def kafka_door(
    settings: KafkaSettings,
    bus: Bus,
    pool: asyncpg.Pool[asyncpg.Record],
    *,
    spool: FileSpool,
    auditor: SealedRecords,
    keys: Keys,
    rulebook: Rulebook,
    govern: GovernTask,
    around: Callable[[Govern], Govern],
    record_outcome: RecordOutcome,
    defaults: TaskDefaults,
    running_tasks: int,
    now_us: Callable[[], int],
    new_id: Callable[[], str],
) -> KafkaDoor:
    """The door of the bus. Its tasks are admitted by its own limit: they are claimed already, and end in a drain.

    `around` puts what every door has around its governed task.
    """
    store = PostgresClaimStore(pool, spool.writer)
    results = KafkaResults(bus.publisher, new_id)
    histories = RecordedHistories(spool, auditor)
    batch = min(LARGEST_BATCH, running_tasks)
    gate = OutcomeGate(record_outcome)
    admitted = replace(govern, admission=Admission(running_tasks + 16 * batch), record_outcome=gate)
    run = RunClaim(around(admitted), gate, store, results)
    take = TakeTasks(
        keys=keys,
        rulebook=rulebook,
        examine=govern.examine,
        store=store,
        results=results,
        histories=histories,
        run=run,
        resume=ResumeClaim(run, store, histories, gate, rulebook, now_us),
        gate=gate,
        watch=BusWatch(),
        writer=spool.writer,
        limit=running_tasks,
    )
    consumer = BatchConsumer(
        settings,
        topics=[TOPIC],
        group=GROUP,
        handler=TaskDoor(take, defaults, govern.scanner, new_id),
        dead_letters=TaskDeadLetters(bus.publisher, govern.scanner),
        limits=ConsumerLimits(batch_records=batch),
    )
    return KafkaDoor(consumer, take, store)
