"""Record how a task ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.service.ports import Appended, AuditSpool
from metaqore_governance_core.records import Numbers, OutcomeRecord


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """Append the one outcome record of a task. Raises like `AuditSpool.append`."""

    spool: AuditSpool
    now_us: Callable[[], int]

    def __call__(self, outcome: Outcome) -> Awaitable[Appended]:
        """Done once the record is durable."""
        return self.spool.append(outcome.organization, lambda numbers: _record(outcome, numbers, self.now_us()))


def _record(outcome: Outcome, numbers: Numbers, time_us: int) -> OutcomeRecord:
    return OutcomeRecord(
        answer=outcome.answer,
        attempts=outcome.attempts,
        completion_tokens=outcome.usage.completion_tokens,
        decision=outcome.decision,
        duration_us=outcome.duration_us,
        error=None if outcome.error is None else outcome.error.code,
        finish_reason=outcome.usage.finish_reason,
        locality=outcome.locality,
        model=outcome.model,
        organization=outcome.organization,
        organization_sequence=numbers.organization_sequence,
        prompt_tokens=outcome.usage.prompt_tokens,
        provider=outcome.provider,
        receipt=outcome.receipt,
        sequence=numbers.sequence,
        state=outcome.state,
        task=outcome.task,
        time_us=time_us,
        writer=numbers.writer,
    )
