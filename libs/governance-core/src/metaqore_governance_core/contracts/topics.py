"""The topics, and who answers for dead letters."""

from __future__ import annotations

from typing import Final

TASK_REQUESTS: Final = "metaqore.task.requests.v1"
"""Tasks from outside; keyed as the client likes."""

TASK_RESULTS: Final = "metaqore.task.results.v1"
"""How each of those tasks ended; keyed as its request was, else by its source."""

TASK_LIFECYCLE: Final = "metaqore.task.lifecycle.v1"
"""What happens to every task, by any door; keyed by task."""

AUDIT_RECORDS: Final = "metaqore.audit.records.v1"
"""Group commits of audit records; keyed by writer."""

AUDIT_CHECKPOINTS: Final = "metaqore.audit.checkpoints.v1"
"""Signed checkpoints; keyed by organization."""

PSMP_COMMANDS: Final = "metaqore.psmp.commands.v1"
"""Commands to PSMP from outside; keyed as the client likes, best by project."""

PSMP_RESULTS: Final = "metaqore.psmp.results.v1"
"""What came of each of those commands; keyed as its command was, else by its source."""

PSMP_EVENTS: Final = "metaqore.psmp.events.v1"
"""What happens in every project, by any door; keyed by organization and project."""

TOPICS: Final = (
    TASK_REQUESTS,
    TASK_RESULTS,
    TASK_LIFECYCLE,
    AUDIT_RECORDS,
    AUDIT_CHECKPOINTS,
    PSMP_COMMANDS,
    PSMP_RESULTS,
    PSMP_EVENTS,
)


def dead_letter_topic(topic: str, consumer: str) -> str:
    """Where a consumer puts what it cannot read."""
    return f"{topic}.{consumer}.dlq"


def consumer_group(service: str, purpose: str) -> str:
    """The consumer group of a service for one purpose."""
    return f"metaqore.{service}.{purpose}"
