"""Go on with a claim that was left unfinished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from metaqore_ai_gateway.domain.claim import Claim, ClaimState, Standing
from metaqore_ai_gateway.domain.kept_task import restore
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.domain.resumption import (
    Deny,
    Facts,
    Interrupt,
    RecordStoredOutcome,
    RestoreResult,
    Run,
    RunAgain,
    SendResult,
    next_step,
    policy_changed,
)
from metaqore_ai_gateway.domain.rulebook import Rulebook
from metaqore_ai_gateway.domain.task_result import result_of
from metaqore_ai_gateway.service.claim_ports import Histories, TaskHistory
from metaqore_ai_gateway.service.claim_store import ClaimStore
from metaqore_ai_gateway.service.events import Resumed
from metaqore_ai_gateway.service.outcome_gate import Recorder
from metaqore_ai_gateway.service.run_claim import RunClaim
from metaqore_governance_core.decision import denial
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.task import TaskState
from metaqore_governance_core.writer_state import OpenDecision

CLAIM_LOST: Final = "claim_lost"
CLAIM_UNREADABLE: Final = "claim_unreadable"


@dataclass(frozen=True, slots=True)
class ResumeClaim:
    """Learn what is recorded of the task, and do the one thing that is left to do."""

    run: RunClaim
    store: ClaimStore
    histories: Histories
    record_outcome: Recorder
    rulebook: Rulebook
    now_us: Callable[[], int]

    async def __call__(self, task: str) -> None:
        """Done when the result of the claim of `task` is sent. Raises like `RunClaim`; it may be called again."""
        standing = await self.store.find(task)
        history = await self._history(standing)
        step = next_step(Facts(standing.state, history.decision, history.outcome, self.rulebook.policy.version))
        claim = Claim(standing.origin, task, standing.caller, standing.reply_key, standing.kept)
        match step:
            case Run():
                await self._run_first(claim)
            case RunAgain(decision):
                await self._run_again(claim, decision)
            case Interrupt(decision):
                await self._end(claim, decision, standing.attempts, TaskState.INTERRUPTED, policy_changed())
            case Deny(decision):
                await self._end(claim, decision, standing.attempts, TaskState.DENIED, denial(decision.reasons))
            case RecordStoredOutcome():
                if standing.outcome is not None:
                    await self.record_outcome(standing.outcome)
                await self._deliver(standing)
            case RestoreResult(recorded):
                result = result_of(
                    recorded, claim.origin.request, recorded.model or "", history.receipt_token, answer=None
                )
                await self.store.conclude(task, result, None)
                await self.run.deliver(result, claim.reply_key)
            case SendResult():
                await self._deliver(standing)
            case _:
                assert_never(step)

    async def interrupt_orphan(self, task: str, decision: OpenDecision) -> None:
        """Record the outcome of a decision whose claim is gone (a database restored from before it)."""
        message = "The gateway lost the task between its decision and its end. Submit it again."
        error = MetaQoreError(CLAIM_LOST, message, kind=ErrorKind.INTERNAL, retryable=True)
        await self.record_outcome(self._outcome(task, decision, 1, TaskState.INTERRUPTED, error))

    async def _history(self, standing: Standing) -> TaskHistory:
        decision = self.histories.open.get(standing.task)
        if decision is not None or standing.state is not ClaimState.CLAIMED:
            return TaskHistory(decision)
        return await self.histories.recorded(standing.origin.organization, standing.task)

    async def _run_first(self, claim: Claim) -> None:
        if claim.kept is None:
            await self.run.refuse(claim, _unreadable())
        else:
            task, examined = restore(claim.kept, claim.task)
            await self.run(claim, task, examined)

    async def _run_again(self, claim: Claim, decision: OpenDecision) -> None:
        attempts = await self.store.count_attempt(claim.task)
        if claim.kept is None:
            await self._end(claim, decision, attempts, TaskState.FAILED, _unreadable())
            return
        task, examined = restore(claim.kept, claim.task)
        receipt_token = await self.histories.receipt_token(claim.task)
        resumed = Resumed(decision, attempts)
        await self.run(claim, task, examined, resumed=resumed, receipt_token=receipt_token)

    async def _end(
        self, claim: Claim, decision: OpenDecision, attempts: int, state: TaskState, error: MetaQoreError
    ) -> None:
        receipt_token = await self.histories.receipt_token(claim.task)
        outcome = self._outcome(claim.task, decision, attempts, state, error)
        await self.run.end(claim, outcome, decision.model, receipt_token)

    def _outcome(
        self, task: str, decision: OpenDecision, attempts: int, state: TaskState, error: MetaQoreError
    ) -> Outcome:
        return Outcome(
            task=task,
            organization=decision.organization,
            receipt=decision.receipt,
            decision=decision.leaf_hash,
            state=state,
            attempts=attempts,
            duration_us=max(0, self.now_us() - decision.time_us),
            error=error,
        )

    async def _deliver(self, standing: Standing) -> None:
        if standing.result is not None:
            await self.run.deliver(standing.result, standing.reply_key)


def _unreadable() -> MetaQoreError:
    message = "The gateway was replaced by one that cannot read what the last one kept of the task. Submit it again."
    return MetaQoreError(CLAIM_UNREADABLE, message, kind=ErrorKind.INTERNAL, retryable=True)
