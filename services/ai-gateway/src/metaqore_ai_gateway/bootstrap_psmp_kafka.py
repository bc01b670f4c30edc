"""Puts PSMP's share of the bus together: part of the one place where ports meet adapters."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from metaqore_ai_gateway.adapters.psmp_answers import KafkaAnswers
from metaqore_ai_gateway.adapters.psmp_watch import CommandBusWatch, count_passed_over
from metaqore_ai_gateway.adapters.task_dead_letters import SERVICE, TaskDeadLetters
from metaqore_ai_gateway.bootstrap_psmp import Psmp
from metaqore_ai_gateway.entrypoints import psmp_lifecycle
from metaqore_ai_gateway.entrypoints.psmp_kafka import GROUP, TOPIC, CommandDoor
from metaqore_ai_gateway.service.ports import Keys
from metaqore_ai_gateway.service.psmp.governed import CommandGate
from metaqore_ai_gateway.service.psmp.places import Places
from metaqore_ai_gateway.service.psmp.seen_tasks import SeeTasks, Submits
from metaqore_ai_gateway.service.psmp.take_commands import TakeCommands
from metaqore_governance_core.contracts.topics import PSMP_COMMANDS, PSMP_RESULTS, TASK_LIFECYCLE
from metaqore_governance_core.scanner import Scanner
from metaqore_mesh.kafka import BatchConsumer, ConsumerLimits, TopicSpec
from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.kafka.dead_letters import dead_letter_spec
from metaqore_mesh.settings import KafkaSettings

BATCH_RECORDS: Final = 64
"""The last of a batch is committed with the first: so many come again after a crash, and are answered the same."""
RUNNING_COMMANDS: Final = 32
"""Commands of different projects that run side by side."""


@dataclass(frozen=True, slots=True)
class PsmpBus:
    """What takes commands from the bus, and what tells projects of their tasks."""

    commands: BatchConsumer
    lifecycle: BatchConsumer

    async def open(self) -> None:
        """Take commands and events."""
        await self.commands.start()
        await self.lifecycle.start()

    async def drain(self, timeout_s: float) -> None:
        """Take no more, finish what runs; the rest comes again at the next start."""
        await asyncio.gather(self.commands.stop(timeout_s), self.lifecycle.stop(timeout_s))


def command_topics() -> list[TopicSpec]:
    """The topics of commands, of their answers and of what cannot be read."""
    named = [TopicSpec(name) for name in (PSMP_COMMANDS, PSMP_RESULTS, TASK_LIFECYCLE)]
    return [*named, *(dead_letter_spec(name, SERVICE) for name in (PSMP_COMMANDS, TASK_LIFECYCLE))]


def psmp_consumers(settings: KafkaSettings, bus: Bus, keys: Keys, psmp: Psmp, scanner: Scanner) -> PsmpBus:
    """Both consumers, for PSMP as it is put together."""
    return PsmpBus(
        command_consumer(settings, bus, keys=keys, gate=psmp.gate, scanner=scanner),
        lifecycle_consumer(settings, bus, places=psmp.places, queues=psmp.queues, scanner=scanner),
    )


def command_consumer(
    settings: KafkaSettings, bus: Bus, *, keys: Keys, gate: CommandGate, scanner: Scanner
) -> BatchConsumer:
    """The door of the bus for commands. Start it once the gate works, stop it before the gate closes.

    What is not done when its stop's deadline is over comes again at the next start.
    """
    take = TakeCommands(
        keys=keys,
        gate=gate,
        answers=KafkaAnswers(bus.publisher),
        watch=CommandBusWatch(),
        clock_s=time.monotonic,
        limit=RUNNING_COMMANDS,
    )
    return BatchConsumer(
        settings,
        topics=[TOPIC],
        group=GROUP,
        handler=CommandDoor(take, scanner),
        dead_letters=TaskDeadLetters(bus.publisher, scanner),
        limits=ConsumerLimits(batch_records=BATCH_RECORDS),
    )


def lifecycle_consumer(
    settings: KafkaSettings, bus: Bus, *, places: Places, queues: Submits, scanner: Scanner
) -> BatchConsumer:
    """Tells projects of the tasks that name them. Start and stop it as `command_consumer`."""
    return BatchConsumer(
        settings,
        topics=[psmp_lifecycle.TOPIC],
        group=psmp_lifecycle.GROUP,
        handler=psmp_lifecycle.LifecycleDoor(SeeTasks(places, queues, count_passed_over)),
        dead_letters=TaskDeadLetters(bus.publisher, scanner),
    )
