"""What is told about what PSMP does beside its requests: counted, and traced."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Final

from prometheus_client import Counter

from metaqore_ai_gateway.adapters.task_observer import count_refused
from metaqore_governance_core.contracts.psmp import CommandAnswered
from metaqore_governance_core.contracts.topics import PSMP_COMMANDS
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_mesh.telemetry.metrics import Children
from metaqore_mesh.telemetry.tracing import SpanKind, span

_ANSWERED: Final = Children(
    Counter("metaqore_psmp_answered_commands_total", "Commands from Kafka that are answered.", ["command", "state"])
)
_PASSED_OVER: Final = Children(
    Counter(
        "metaqore_psmp_passed_over_task_events_total",
        "Events of tasks that name a project and were not told to it, by reason.",
        ["code"],
    )
)
_PROPOSED: Final = Children(
    Counter(
        "metaqore_psmp_answer_proposals_total",
        "Answers whose files were to be proposed, by what came of it.",
        ["result"],
    )
)


def count_answer_proposal(result: str) -> None:
    """Count an answer whose files were to be proposed."""
    _PROPOSED[result,].inc()


def count_passed_over(code: str) -> None:
    """Count a task's event that no project was told of."""
    _PASSED_OVER[code,].inc()


class CommandBusWatch:
    """The port `CommandWatch`."""

    def refused(self, error: MetaQoreError) -> None:
        """Count it."""
        count_refused(Door.KAFKA, error)

    def answered(self, answer: CommandAnswered) -> None:
        """Count it by its command and how it ended."""
        _ANSWERED[answer.name, answer.state].inc()

    def processing(self, traceparent: str | None) -> AbstractContextManager[object]:
        """A span under the one that published the command, as OpenTelemetry names such spans."""
        parent = {"traceparent": traceparent} if traceparent else None
        return span(f"{PSMP_COMMANDS} process", kind=SpanKind.CONSUMER, parent=parent)
