"""End, at start, the tasks that the last run of the gateway left without an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.service.record_outcome import RecordOutcome
from metaqore_governance_core.decision import Verdict, denial
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Door
from metaqore_governance_core.task import TaskState
from metaqore_governance_core.writer_state import OpenDecision

ANSWERING: Final = frozenset({Door.REST.value, Door.GRPC.value})
"""The doors whose callers waited for an answer, and wait no more. A task from Kafka is resumed instead."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class InterruptOpen:
    """Record the outcome `interrupted` (or `denied`, where only that was missing) of each. Raises like the spool."""

    record_outcome: RecordOutcome
    now_us: Callable[[], int]

    async def __call__(self, opened: Mapping[str, OpenDecision]) -> int:
        """Done once all outcomes are durable; gives how many."""
        outcomes = [self._outcome(task, decision) for task, decision in opened.items() if decision.door in ANSWERING]
        await asyncio.gather(*(self.record_outcome(outcome) for outcome in outcomes))
        for outcome in outcomes:
            _log.warning("task.interrupted", task=outcome.task, receipt=outcome.receipt, state=outcome.state)
        return len(outcomes)

    def _outcome(self, task: str, decision: OpenDecision) -> Outcome:
        denied = decision.verdict == Verdict.DENY
        message = "The gateway stopped while the task ran. Submit it again."
        return Outcome(
            task=task,
            organization=decision.organization,
            receipt=decision.receipt,
            decision=decision.leaf_hash,
            state=TaskState.DENIED if denied else TaskState.INTERRUPTED,
            attempts=1,
            duration_us=max(0, self.now_us() - decision.time_us),
            error=denial(decision.reasons)
            if denied
            else MetaQoreError("interrupted", message, kind=ErrorKind.UNAVAILABLE, retryable=True),
        )
