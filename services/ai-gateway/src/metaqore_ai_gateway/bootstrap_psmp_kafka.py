"""Puts PSMP's share of the bus together: part of the one place where ports meet adapters."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from metaqore_ai_gateway.adapters.psmp_answers import KafkaAnswers
from metaqore_ai_gateway.adapters.psmp_watch import CommandBusWatch
from metaqore_ai_gateway.adapters.task_dead_letters import SERVICE, TaskDeadLetters
from metaqore_ai_gateway.entrypoints.psmp_kafka import GROUP, TOPIC, CommandDoor
from metaqore_ai_gateway.service.ports import Keys
from metaqore_ai_gateway.service.psmp.governed import CommandGate
from metaqore_ai_gateway.service.psmp.take_commands import TakeCommands
from metaqore_governance_core.contracts.topics import PSMP_COMMANDS, PSMP_RESULTS
from metaqore_governance_core.scanner import Scanner
from metaqore_mesh.kafka import BatchConsumer, ConsumerLimits, TopicSpec
from metaqore_mesh.kafka.bus import Bus
from metaqore_mesh.kafka.dead_letters import dead_letter_spec
from metaqore_mesh.settings import KafkaSettings

BATCH_RECORDS: Final = 64
"""The last of a batch is committed with the first: so many come again after a crash, and are answered the same."""
RUNNING_COMMANDS: Final = 32
"""Commands of different projects that run side by side."""


def command_topics() -> list[TopicSpec]:
    """The topics of commands, of their answers and of what cannot be read."""
    return [TopicSpec(PSMP_COMMANDS), TopicSpec(PSMP_RESULTS), dead_letter_spec(PSMP_COMMANDS, SERVICE)]


@dataclass(frozen=True, slots=True)
class CommandConsumer:
    """The door of the bus for commands. Open it once the gate works, drain it before the gate closes."""

    consumer: BatchConsumer

    async def open(self) -> None:
        """Take commands; does not wait for a broker that is not there."""
        await self.consumer.start()

    async def drain(self, timeout_s: float) -> None:
        """Take no more commands, and finish what runs; what is not done in time comes again at the next start."""
        await self.consumer.stop(timeout_s)


def command_consumer(
    settings: KafkaSettings, bus: Bus, *, keys: Keys, gate: CommandGate, scanner: Scanner
) -> CommandConsumer:
    """The door of the bus for commands."""
    take = TakeCommands(
        keys=keys,
        gate=gate,
        answers=KafkaAnswers(bus.publisher),
        watch=CommandBusWatch(),
        clock_s=time.monotonic,
        limit=RUNNING_COMMANDS,
    )
    consumer = BatchConsumer(
        settings,
        topics=[TOPIC],
        group=GROUP,
        handler=CommandDoor(take, scanner),
        dead_letters=TaskDeadLetters(bus.publisher, scanner),
        limits=ConsumerLimits(batch_records=BATCH_RECORDS),
    )
    return CommandConsumer(consumer)
