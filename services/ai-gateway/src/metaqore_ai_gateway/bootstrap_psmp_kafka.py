"""Puts PSMP's share of the bus together: part of the one place where ports meet adapters."""

from __future__ import annotations

import time
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
