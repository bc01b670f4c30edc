"""Run a claimed task to its result, in the order that a crash at any point can be mended from."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.claim import Claim
from metaqore_ai_gateway.domain.examined import Examined
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.domain.task_result import TaskResult, refusal, result_of
from metaqore_ai_gateway.service.answer_text import answer_text
from metaqore_ai_gateway.service.claim_ports import ResultChannel
from metaqore_ai_gateway.service.claim_store import ClaimStore
from metaqore_ai_gateway.service.events import Chunk, Concluding, Decided, Event, Resumed
from metaqore_ai_gateway.service.outcome_gate import Recorder
from metaqore_ai_gateway.service.receipt_token import token
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller


class Govern(Protocol):
    """`GovernTask`, as a claim uses it."""

    def __call__(
        self, caller: Caller, task: ChatTask, *, resumed: Resumed | None = None, examined: Examined | None = None
    ) -> AsyncGenerator[Event, None]:
        """The events of `task`, in order."""
        ...


class NotBegunError(Exception):
    """Nothing was decided, for a reason that passes: run the task again as it is."""


@dataclass(frozen=True, slots=True)
class RunClaim:
    """Decide (recorded), run, store the result with the outcome, record the outcome, send the result, finish.

    The result is stored before the outcome is recorded, and sent after: so a recorded outcome always has its result,
    and a result that someone read always has its outcome.
    """

    govern: Govern
    record_outcome: Recorder
    store: ClaimStore
    results: ResultChannel

    async def __call__(
        self,
        claim: Claim,
        task: ChatTask,
        examined: Examined,
        *,
        resumed: Resumed | None = None,
        receipt_token: str = "",
    ) -> None:
        """Done when the result is sent. `examined` is what was found in the task before it was claimed.

        Raises `NotBegunError`, or `MetaQoreError` where it stopped midway.
        """
        begun = resumed is not None
        answer: str | None = None
        result: TaskResult | None = None
        request = claim.origin.request
        events = self.govern(claim.caller, task, resumed=resumed, examined=examined)
        try:
            async for event in events:
                if type(event) is Decided:
                    begun = True
                    receipt_token = token(event.receipt)
                elif type(event) is Chunk:
                    answer = answer_text(event.data)
                elif type(event) is Concluding:
                    result = result_of(event.outcome, request, task.model, receipt_token, answer)
                    await self.store.conclude(task.id, result, event.outcome)
        except MetaQoreError as error:
            if begun:
                raise
            if error.retryable:
                raise NotBegunError from error
            await self.refuse(claim, error, task.model)
        finally:
            await events.aclose()
        if result is not None:
            await self.deliver(result, claim.reply_key)

    async def end(self, claim: Claim, outcome: Outcome, model: str, receipt_token: str) -> None:
        """End a task that does not run (any more), with an outcome that is not recorded yet."""
        result = result_of(outcome, claim.origin.request, model, receipt_token, None)
        await self.store.conclude(outcome.task, result, outcome)
        await self.record_outcome(outcome)
        await self.deliver(result, claim.reply_key)

    async def refuse(self, claim: Claim, error: MetaQoreError, model: str = "") -> None:
        """Answer a task that will never be decided upon."""
        result = refusal(
            error, claim.origin.request, model=model, task=claim.task, organization=claim.origin.organization
        )
        await self.store.conclude(claim.task, result, None)
        await self.deliver(result, claim.reply_key)

    async def deliver(self, result: TaskResult, reply_key: bytes) -> None:
        """Send a result that is stored, and finish its claim."""
        await self.results.send(result, reply_key)
        await self.store.finish(result.task)
