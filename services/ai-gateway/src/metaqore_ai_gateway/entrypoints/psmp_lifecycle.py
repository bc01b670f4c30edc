"""The events of tasks, as far as projects are told of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from metaqore_ai_gateway.service.psmp.seen_tasks import Ended, Seen, Started
from metaqore_governance_core.contracts.tasks import TaskFinished, TaskStarted
from metaqore_governance_core.contracts.topics import TASK_LIFECYCLE, consumer_group
from metaqore_governance_core.decision import Verdict, denial
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.task import TaskState
from metaqore_mesh.kafka import KafkaRecord, PoisonRecord

TOPIC: Final = TASK_LIFECYCLE
GROUP: Final = consumer_group("ai-gateway", "psmp-lifecycle")

_STARTED: Final = TaskStarted.ce_type.encode()
_FINISHED: Final = TaskFinished.ce_type.encode()


class _Started(msgspec.Struct):
    task: str
    organization: str
    project: str | None
    verdict: Verdict
    reasons: tuple[str, ...]
    time_us: int


class _Finished(msgspec.Struct):
    task: str
    organization: str
    state: TaskState
    error: str | None
    time_us: int


_STARTS: Final = msgspec.json.Decoder(_Started)
_ENDS: Final = msgspec.json.Decoder(_Finished)


@dataclass(frozen=True, slots=True)
class LifecycleDoor:
    """Handles batches of the topic of task events."""

    see: Callable[[Sequence[Seen]], Awaitable[Sequence[MetaQoreError | None]]]

    async def __call__(self, records: Sequence[KafkaRecord]) -> list[MetaQoreError | None]:
        """For each record None, or why it is dead, or must be tried again."""
        read = [_read(record) for record in records]
        told = iter(await self.see([one for one in read if not isinstance(one, MetaQoreError | None)]))
        return [one if isinstance(one, MetaQoreError | None) else next(told) for one in read]


def _read(record: KafkaRecord) -> Seen | MetaQoreError | None:
    """What a record tells; None for an event of another type, which a newer gateway may send."""
    event, kind = record.header("ce_id"), record.header("ce_type")
    if not event or not kind or record.value is None:
        return PoisonRecord("event_attribute_missing", "A task's event has a ce_id, a ce_type and a value.")
    try:
        if kind == _STARTED:
            return _started(event.decode(), _STARTS.decode(record.value))
        if kind == _FINISHED:
            return _ended(event.decode(), _ENDS.decode(record.value))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return PoisonRecord("event_unreadable", f"The value is no task's event as {TOPIC} has them.")
    return None


def _started(event: str, told: _Started) -> Started:
    denied = told.verdict is Verdict.DENY
    error = denial(told.reasons).code if denied else None
    return Started(event, told.organization, told.task, told.project, denied, error, told.time_us)


def _ended(event: str, told: _Finished) -> Ended:
    return Ended(event, told.organization, told.task, told.state, told.error, told.time_us)
