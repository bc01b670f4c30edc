"""The span of a task, with the attributes of OpenTelemetry's GenAI semantic conventions and our own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.service.ports import Observation, TaskObserver
from metaqore_governance_core.decision import Decision
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_mesh.telemetry.tracing import Span, SpanKind, begun, carrier, failed

OPERATION: Final = "chat"


@dataclass(frozen=True, slots=True)
class TracedObserver:
    """The port `TaskObserver`, with a span for each task. For where traces are on: it is no cost where it is not."""

    told: TaskObserver

    def observe(self, caller: Caller, task: ChatTask) -> TracedObservation:
        """Begin the span, under the current one."""
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": OPERATION,
            "gen_ai.request.model": task.model,
            "metaqore.task.id": task.id,
            "metaqore.organization.id": caller.organization,
            "metaqore.caller.id": caller.id,
            "metaqore.door": str(task.door),
        }
        span = begun(f"{OPERATION} {task.model}", kind=SpanKind.CLIENT, attributes=attributes)
        return TracedObservation(self.told.observe(caller, task), span)


@dataclass(frozen=True, slots=True)
class TracedObservation:
    """The port `Observation`. Names, numbers and codes alone reach the span: no prompt, no answer."""

    told: Observation
    span: Span

    @property
    def traceparent(self) -> str | None:
        """The task's span is what the model's is under."""
        return carrier(self.span).get("traceparent")

    def decided(self, decision: Decision, receipt: str) -> None:
        """See the port."""
        self.told.decided(decision, receipt)
        self.span.set_attributes(
            {
                "metaqore.decision.verdict": str(decision.verdict),
                "metaqore.decision.reasons": decision.reasons,
                "metaqore.policy.name": decision.policy,
                "metaqore.policy.version": decision.policy_version,
                "metaqore.receipt.id": receipt,
                "metaqore.sensitivity": decision.sensitivity.name,
            }
        )

    def answered(self) -> None:
        """See the port."""
        self.told.answered()
        self.span.add_event("first_chunk")

    def concluded(self, outcome: Outcome) -> None:
        """See the port."""
        self.told.concluded(outcome)
        usage = outcome.usage
        known: dict[str, Any] = {
            "gen_ai.provider.name": outcome.provider,
            "gen_ai.response.model": outcome.model,
            "gen_ai.response.finish_reasons": usage.finish_reason and (usage.finish_reason,),
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.completion_tokens,
            "metaqore.task.state": str(outcome.state),
            "metaqore.task.attempts": outcome.attempts,
            "metaqore.receipt.id": outcome.receipt,  # a resumed task has no decision here
        }
        self.span.set_attributes({name: value for name, value in known.items() if value is not None})
        if outcome.error is not None:
            failed(self.span, outcome.error.code)
        self.span.end()

    def abandoned(self, error: BaseException) -> None:
        """See the port."""
        self.told.abandoned(error)
        failed(self.span, error.code if isinstance(error, MetaQoreError) else type(error).__name__)
        self.span.end()
