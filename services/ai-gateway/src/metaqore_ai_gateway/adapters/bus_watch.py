"""What is told about the bus: refusals counted, work traced."""

from __future__ import annotations

from contextlib import AbstractContextManager

from metaqore_ai_gateway.adapters.task_observer import count_refused
from metaqore_governance_core.contracts.topics import TASK_REQUESTS
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_mesh.telemetry.tracing import SpanKind, span


class BusWatch:
    """The port `Watch`."""

    def refused(self, error: MetaQoreError) -> None:
        """Count it."""
        count_refused(Door.KAFKA, error)

    def processing(self, traceparent: str | None) -> AbstractContextManager[object]:
        """A span under the one that published the task, as OpenTelemetry names such spans."""
        parent = {"traceparent": traceparent} if traceparent else None
        return span(f"{TASK_REQUESTS} process", kind=SpanKind.CONSUMER, parent=parent)
