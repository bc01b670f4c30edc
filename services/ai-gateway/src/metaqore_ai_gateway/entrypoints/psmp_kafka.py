"""The door of the bus for commands: records of the topic of commands become submissions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from metaqore_ai_gateway.domain.chat import trace_context
from metaqore_ai_gateway.domain.command_request import InvalidCommandError, read_command
from metaqore_ai_gateway.domain.event_names import bad_names
from metaqore_ai_gateway.domain.task_result import RequestName
from metaqore_ai_gateway.entrypoints.kafka import authorization_of, check_event
from metaqore_ai_gateway.service.psmp.take_commands import CommandSubmission
from metaqore_governance_core.contracts.cloudevents import parse_event_headers
from metaqore_governance_core.contracts.psmp import CommandSubmitted
from metaqore_governance_core.contracts.topics import PSMP_COMMANDS, consumer_group
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.scanner import Scanner
from metaqore_mesh.kafka import KafkaRecord

TOPIC: Final = PSMP_COMMANDS
GROUP: Final = consumer_group("ai-gateway", "psmp")

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CommandDoor:
    """Handles batches of the topic of commands, in their order.

    What nobody can read is returned as its error, for the dead letters; what must be tried again as one that is
    retryable. All else is answered when the batch is handled, also where it holds no command.
    """

    take: Callable[[Sequence[CommandSubmission]], Awaitable[Sequence[BaseException | None]]]
    scanner: Scanner

    async def __call__(self, records: Sequence[KafkaRecord]) -> list[BaseException | None]:
        """For each record None, or why it is dead, or must be tried again."""
        read = [_read(record) for record in records]
        found = [one for one in read if isinstance(one, CommandSubmission)]
        named = iter(bad_names(self.scanner, [_names(one) for one in found]))
        settled: list[BaseException | None] = [
            next(named) if isinstance(one, CommandSubmission) else one for one in read
        ]
        good = [
            (index, one)
            for index, (one, error) in enumerate(zip(read, settled, strict=True))
            if isinstance(one, CommandSubmission) and error is None
        ]
        if good:
            results = await self.take([one for _, one in good])
            for (index, _), result in zip(good, results, strict=True):
                settled[index] = result
        return settled


def _names(submission: CommandSubmission) -> tuple[str, str, str]:
    """What its answer repeats of an event beside its command."""
    request = submission.request
    return request.source, request.id, submission.reply_key.decode("utf-8", "replace")


def _read(record: KafkaRecord) -> CommandSubmission | MetaQoreError:
    try:
        return read_submission(record)
    except MetaQoreError as error:
        return error
    except Exception as error:  # noqa: BLE001 - tried again and again, it would hold up all behind it
        _log.error("record.broke", partition=record.partition, offset=record.offset, exc_info=error)
        return MetaQoreError("command_unreadable", "The record cannot be read as a command.", kind=ErrorKind.INTERNAL)


def read_submission(record: KafkaRecord) -> CommandSubmission:
    """The submission in a record. Raises `MetaQoreError` where nobody can read it."""
    event = parse_event_headers(record.headers)
    check_event(event, CommandSubmitted.ce_type)
    if record.value is None:
        raise MetaQoreError("command_missing", "Send the command as the value of the record; it is null.")
    asked: CommandSubmitted | InvalidCommandError
    try:
        asked = read_command(record.value)
    except InvalidCommandError as error:
        asked = error  # whoever sent it is told
    traceparent = event.traceparent or (record.header("traceparent") or b"").decode("latin-1")
    return CommandSubmission(
        request=RequestName(event.source, event.id),
        authorization=authorization_of(record),
        reply_key=event.source.encode() if record.key is None else record.key,
        asked=asked,
        raw=record.value,
        traceparent=trace_context(traceparent),
    )
