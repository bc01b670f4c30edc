"""The door of the bus: records of the topic of tasks become submissions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from metaqore_ai_gateway.domain.chat import ChatTask, trace_context
from metaqore_ai_gateway.domain.event_names import bad_names
from metaqore_ai_gateway.domain.task_request import TaskDefaults, read_task
from metaqore_ai_gateway.domain.task_result import RequestName
from metaqore_ai_gateway.service.take_tasks import Submission
from metaqore_governance_core.contracts.cloudevents import EventAttributes, parse_event_headers
from metaqore_governance_core.contracts.tasks import TaskSubmitted
from metaqore_governance_core.contracts.topics import TASK_REQUESTS, consumer_group
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.scanner import Scanner
from metaqore_mesh.kafka import KafkaRecord

TOPIC: Final = TASK_REQUESTS
GROUP: Final = consumer_group("ai-gateway", "tasks")
MAX_NAME_BYTES: Final = 1024
"""Of `ce_source` and `ce_id`, each: together they fit the key of a claim."""


_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TaskDoor:
    """Handles batches of the topic of tasks.

    What cannot be read as a task is returned as its error, for the dead letters. All else is claimed or answered when
    the batch is handled: its offsets may be committed, for from then on the claim carries the task.
    """

    take: Callable[[Sequence[Submission]], Awaitable[None]]
    defaults: TaskDefaults
    scanner: Scanner
    new_id: Callable[[], str]

    async def __call__(self, records: Sequence[KafkaRecord]) -> list[MetaQoreError | None]:
        """For each record None, or why it is dead, or must be tried again. Raises where all must."""
        read = [self._read(record) for record in records]
        found = [one for one in read if isinstance(one, Submission)]
        named = iter(bad_names(self.scanner, [_names(one) for one in found]))
        dead = [next(named) if isinstance(one, Submission) else one for one in read]
        submissions = [
            one for one, error in zip(read, dead, strict=True) if isinstance(one, Submission) and error is None
        ]
        if submissions:
            await self.take(submissions)
        return dead

    def _read(self, record: KafkaRecord) -> Submission | MetaQoreError:
        try:
            return read_submission(record, self.defaults, self.new_id())
        except MetaQoreError as error:
            return error
        except Exception as error:  # noqa: BLE001 - tried again and again, it would hold up all behind it
            _log.error("record.broke", partition=record.partition, offset=record.offset, exc_info=error)
            return MetaQoreError("task_unreadable", "The record cannot be read as a task.", kind=ErrorKind.INTERNAL)


def _names(submission: Submission) -> tuple[str, str, str]:
    """What is stored of an event beside its task."""
    request = submission.request
    return request.source, request.id, submission.reply_key.decode("utf-8", "replace")


def read_submission(record: KafkaRecord, defaults: TaskDefaults, task: str) -> Submission:
    """The submission in a record. Raises `MetaQoreError` where it cannot be read as a task."""
    event = parse_event_headers(record.headers)
    check_event(event, TaskSubmitted.ce_type)
    if record.value is None:
        raise MetaQoreError("task_missing", "Send the task as the value of the record; it is null.")
    reply_key = event.source.encode() if record.key is None else record.key
    chat: ChatTask | MetaQoreError
    try:
        traceparent = event.traceparent or (record.header("traceparent") or b"").decode("latin-1")
        chat = read_task(record.value, task, defaults, trace_context(traceparent))
    except MetaQoreError as error:
        if error.kind is not ErrorKind.DEADLINE_EXCEEDED:
            raise
        chat = error
    return Submission(RequestName(event.source, event.id), authorization_of(record), reply_key, chat)


def check_event(event: EventAttributes, ce_type: str) -> None:
    """Raises `event_type_unknown`, or `event_attribute_invalid` for a name that is too long to be kept."""
    if event.type != ce_type:
        raise MetaQoreError("event_type_unknown", f"Send ce_type {ce_type}; no other is read here.")
    for name, text in (("ce_source", event.source), ("ce_id", event.id)):
        if len(text) > MAX_NAME_BYTES // 4 and len(text.encode()) > MAX_NAME_BYTES:
            raise MetaQoreError("event_attribute_invalid", f"The header {name} has at most {MAX_NAME_BYTES} bytes.")


def authorization_of(record: KafkaRecord) -> str | None:
    """The text of the header `authorization`. Raises `event_attribute_invalid` where it stands twice."""
    sent = [value for name, value in record.headers if name.lower() == "authorization"]
    if len(sent) > 1:
        raise MetaQoreError("event_attribute_invalid", "The header authorization may stand only once.")
    return None if not sent or sent[0] is None else sent[0].decode("utf-8", "replace")
