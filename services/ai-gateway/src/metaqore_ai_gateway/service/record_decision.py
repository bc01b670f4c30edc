"""Record what was decided about a task, before anything is done about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.examined import Examined
from metaqore_ai_gateway.service.ports import Appended, AuditSpool
from metaqore_governance_core.decision import Decision
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.records import DecisionRecord, Numbers, Personal


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """Append the one decision record of a task. Raises like `AuditSpool.append`."""

    spool: AuditSpool
    now_us: Callable[[], int]

    def __call__(
        self, caller: Caller, task: ChatTask, receipt: str, examined: Examined, decision: Decision
    ) -> Awaitable[Appended]:
        """Done once the record is durable. `receipt` is the id of the receipt that will be given for it."""

        def build(numbers: Numbers) -> DecisionRecord:
            return DecisionRecord(
                caller=caller.id,
                door=task.envelope.door,
                findings=dict(examined.findings.counts),
                model=task.model,
                organization=caller.organization,
                organization_sequence=numbers.organization_sequence,
                personal=Personal(caller_name=caller.name),
                policy=decision.policy,
                policy_version=decision.policy_version,
                project=task.envelope.project if examined.may_be_kept else None,  # a credential may be in there
                prompt=examined.prompt,
                reasons=decision.reasons,
                receipt=receipt,
                sensitivity=decision.sensitivity.name,
                sensitivity_sources=decision.sensitivity_sources,
                sequence=numbers.sequence,
                task=task.envelope.id,
                time_us=self.now_us(),
                verdict=decision.verdict,
                writer=numbers.writer,
            )

        return self.spool.append(caller.organization, build)
