"""What is known of one task while it is governed."""

from __future__ import annotations

from dataclasses import dataclass, field

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.outcome import Outcome, Usage
from metaqore_ai_gateway.domain.rulebook import Route
from metaqore_ai_gateway.service.ports import Appended, Digest, Observation
from metaqore_ai_gateway.service.route_call import Routed
from metaqore_governance_core.decision import Decision
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.task import TaskState


@dataclass(slots=True)
class Run:
    """`decision` is the leaf hash of the durable decision, in hex, empty before there is one. `streamed` commits to
    the chunks of a stream, `answer` to a whole completion. `recorded`: the outcome's record is under way.
    """

    caller: Caller
    task: ChatTask
    observation: Observation
    receipt: str
    started_us: int
    attempts: int = 1
    decision: str = ""
    route: Route | None = None
    usage: Usage = field(default_factory=Usage)
    streamed: Digest | None = None
    answer: Commitment | None = None
    state: TaskState = TaskState.RUNNING
    error: MetaQoreError | None = None
    recorded: bool = False

    def decided(self, decision: Decision, appended: Appended) -> None:
        """The decision is durable."""
        self.decision = appended.leaf_hash.hex()
        self.observation.decided(decision, self.receipt)

    def learn(self, fact: Usage | Routed) -> None:
        """Where it runs, or what it cost."""
        if type(fact) is Routed:
            self.route = fact.route
        elif type(fact) is Usage:
            self.usage = fact

    def end(self, state: TaskState, error: MetaQoreError | None = None) -> None:
        """How it ends is known.

        Without its traceback, which leads back here: a failed task's whole text would stay until the collector looks.
        """
        self.state = state
        self.error = None if error is None else error.with_traceback(None)

    def outcome(self, now_us: int) -> Outcome:
        """The outcome, as its record will say it."""
        route = self.route
        return Outcome(
            task=self.task.id,
            organization=self.caller.organization,
            receipt=self.receipt,
            decision=self.decision,
            state=self.state,
            attempts=self.attempts,
            duration_us=max(0, now_us - self.started_us),
            usage=self.usage,
            model=route.model if route else None,
            provider=route.provider if route else None,
            locality=route.locality if route else None,
            answer=self.answer if self.streamed is None else self.streamed.commitment(),
            error=self.error,
        )
