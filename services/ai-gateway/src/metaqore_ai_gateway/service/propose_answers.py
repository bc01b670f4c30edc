"""Governed tasks whose answers' files are proposed where the task asks for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.examined import Examined
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.service.events import Chunk, Concluded, Decided, Event, Resumed
from metaqore_ai_gateway.service.gathered_answer import GatheredAnswer
from metaqore_ai_gateway.service.ports import Digests
from metaqore_ai_gateway.service.psmp.answer_proposals import AnsweredTask, AnswerProposals
from metaqore_ai_gateway.service.run_claim import Govern
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.task import TaskState


@dataclass(frozen=True, slots=True)
class ProposeAnswers:
    """`GovernTask` with that: the same events, at the same time. A task that does not ask costs one question more."""

    govern: Govern
    digests: Digests
    proposals: AnswerProposals

    def __call__(
        self, caller: Caller, task: ChatTask, *, resumed: Resumed | None = None, examined: Examined | None = None
    ) -> AsyncGenerator[Event, None]:
        """See `GovernTask`."""
        events = self.govern(caller, task, resumed=resumed, examined=examined)
        return self._watched(events, caller, task, examined) if task.envelope.propose_files else events

    async def _watched(
        self, events: AsyncGenerator[Event, None], caller: Caller, task: ChatTask, examined: Examined | None
    ) -> AsyncGenerator[Event, None]:
        answer = GatheredAnswer()
        label = _label(task, examined)
        async with aclosing(events):
            async for event in events:
                if type(event) is Chunk:
                    answer.add(event.data)
                elif type(event) is Decided:
                    label = event.decision.sensitivity
                elif type(event) is Concluded and event.outcome.state is TaskState.DONE:
                    prompt = examined.prompt if examined else self._prompt(caller, task)
                    self.proposals.soon(_answered(caller, task, event.outcome, prompt, label, answer))
                yield event

    def _prompt(self, caller: Caller, task: ChatTask) -> Commitment:
        """What the decision record has for the prompt, made again."""
        return self.digests.commit(caller.organization, task.digest_input)


def _label(task: ChatTask, examined: Examined | None) -> Sensitivity | None:
    """How sensitive a task is whose decision is not told again, since it is resumed; its project adds its own label."""
    if examined is None:
        return task.envelope.label
    if examined.scanner_failed:
        return Sensitivity.CRITICAL
    found = [examined.findings.sensitivity] if examined.findings.counts else []
    return max([*found, *([] if task.envelope.label is None else [task.envelope.label])], default=None)


def _answered(  # noqa: PLR0917 - each is another thing that is known of the task
    caller: Caller,
    task: ChatTask,
    outcome: Outcome,
    prompt: Commitment,
    label: Sensitivity | None,
    answer: GatheredAnswer,
) -> AnsweredTask:
    return AnsweredTask(
        task=task.id,
        caller=caller,
        door=task.door,
        project=task.envelope.project or "",
        model=outcome.model or task.model,
        prompt=prompt.digest,
        label=label,
        finish_reason=outcome.usage.finish_reason,
        answer=answer,
    )
