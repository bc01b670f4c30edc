"""The governed task: scan, decide, record, run, record again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import structlog

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.outcome import Outcome, Usage
from metaqore_ai_gateway.domain.rulebook import Route, Rulebook, permitted_routes
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.events import Chunk, Concluded, Concluding, Decided, Event, Resumed
from metaqore_ai_gateway.service.ports import Appended, Digest, Digests, Observation, ProviderCall, TaskObserver
from metaqore_ai_gateway.service.record_decision import Examined, RecordDecision
from metaqore_ai_gateway.service.record_outcome import RecordOutcome
from metaqore_ai_gateway.service.route_call import RouteCall, Routed
from metaqore_ai_gateway.service.settled import settled
from metaqore_governance_core.allowpaths import model_tool
from metaqore_governance_core.decision import GENERATE, Decision, Request, decide, denial
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Door
from metaqore_governance_core.scanner import NOTHING_FOUND, Scanner
from metaqore_governance_core.task import POLICY_CHANGED, TaskState

__all__ = ["Chunk", "Concluded", "Concluding", "Decided", "Event", "GovernTask", "Resumed"]

LARGE_TEXT_BYTES: Final = 256 * 1024
"""From here on a text is scanned in a thread, so that the others do not wait for it."""

_log = structlog.get_logger()


@dataclass(slots=True)
class _Run:
    """What is known of one task so far."""

    caller: Caller
    task: ChatTask
    receipt: str
    observation: Observation
    started_us: int
    attempts: int = 1
    decision: str = ""
    route: Route | None = None
    answer: Digest | None = None
    usage: Usage = field(default_factory=Usage)
    state: TaskState = TaskState.RUNNING
    error: MetaQoreError | None = None
    recorded: bool = False

    def end(self, state: TaskState, error: MetaQoreError | None = None) -> None:
        self.state = state
        self.error = error


@dataclass(frozen=True, slots=True)
class GovernTask:
    """Govern one chat task, whichever door it came through.

    Yields `Decided`, then the answer as `Chunk`s (of a stream, or one that is the whole completion), `Concluding` and
    `Concluded`. A resumed task runs under the decision that it has: no `Decided`, no second decision record.

    Denials and provider failures are outcomes (`outcome.error`), not exceptions. It raises `MetaQoreError` only where
    no decision became durable (unknown model, draining, spool full or failed), or, after the chunks, where the
    outcome could not be made durable: then nobody may be told that the task is complete.

    Closing the generator, or cancelling the task that waits on it, ends the provider's call; the outcome `cancelled`
    is recorded before that returns. Not so for a task from Kafka: its claim stays open, and it is resumed.
    """

    rulebook: Rulebook
    scanner: Scanner
    digests: Digests
    record_decision: RecordDecision
    record_outcome: RecordOutcome
    route_call: RouteCall
    admission: Admission
    observer: TaskObserver
    now_us: Callable[[], int]
    new_id: Callable[[], str]

    async def __call__(
        self, caller: Caller, task: ChatTask, *, resumed: Resumed | None = None
    ) -> AsyncGenerator[Event, None]:
        """The events of `task`, in order."""
        routes = self.rulebook.routes(task.model)
        deadline = asyncio.get_running_loop().time() + task.envelope.deadline_s
        with self.admission.admitted():
            run = self._run(caller, task, resumed)
            try:
                examined = await self._examined(caller, task)
                decision = self._decided(caller, task, examined)
                if resumed is None:
                    receipt = (await self._record_decision(run, decision, examined)).receipt(
                        run.receipt, caller.organization, task.id
                    )
                    yield Decided(decision, receipt, decision.permitted)
                if self._may_run(run, decision, resumed):
                    call = ProviderCall(task.model, task.stream, deadline, task.body, run.observation.traceparent)
                    async with aclosing(self._answer(run, permitted_routes(routes, decision), call)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                outcome = self._outcome(run)
                yield Concluding(outcome)
                await self._record_outcome(run, outcome)
                yield Concluded(outcome)
            except (asyncio.CancelledError, GeneratorExit) as gone:
                await self._cancelled(run, gone)
                raise
            except BaseException as error:
                run.observation.abandoned(error)
                raise

    def _run(self, caller: Caller, task: ChatTask, resumed: Resumed | None) -> _Run:
        observation = self.observer.observe(caller, task)
        if resumed is None:
            return _Run(caller, task, self.new_id(), observation, self.now_us())
        before = resumed.decision
        return _Run(caller, task, before.receipt, observation, before.time_us, resumed.attempts, before.leaf_hash)

    async def _examined(self, caller: Caller, task: ChatTask) -> Examined:
        if task.size_bytes < LARGE_TEXT_BYTES:
            return self._examine(caller, task)
        return await asyncio.to_thread(self._examine, caller, task)

    def _examine(self, caller: Caller, task: ChatTask) -> Examined:
        prompt = self.digests.commit(caller.organization, task.digest_input)
        try:
            return Examined(self.scanner.scan(task.text), prompt)
        except Exception as error:  # noqa: BLE001 - whatever failed, the text is unknown: CRITICAL
            _log.error("scanner.failed", task=task.id, error=type(error).__name__)
            return Examined(NOTHING_FOUND, prompt, scanner_failed=True)

    def _decided(self, caller: Caller, task: ChatTask, examined: Examined) -> Decision:
        return decide(
            self.rulebook.policy,
            Request(
                caller=caller,
                tool=model_tool(task.model),
                verb=GENERATE,
                candidates=self.rulebook.localities(task.model),
                label=task.envelope.label,
                project=task.envelope.project,
                findings=examined.findings,
                scanner_failed=examined.scanner_failed,
            ),
        )

    async def _record_decision(self, run: _Run, decision: Decision, examined: Examined) -> Appended:
        if not decision.permitted:
            run.end(TaskState.DENIED, denial(decision.reasons))
        pending = asyncio.ensure_future(self.record_decision(run.caller, run.task, run.receipt, examined, decision))
        try:
            appended = await settled(pending)
        finally:
            if pending.done() and not pending.cancelled() and pending.exception() is None:
                run.decision = pending.result().leaf_hash.hex()
                run.observation.decided(decision, run.receipt)
        return appended

    def _may_run(self, run: _Run, decision: Decision, resumed: Resumed | None) -> bool:
        if resumed is None:
            return decision.permitted
        if decision.permitted and decision.policy_version == resumed.decision.policy_version:
            return True
        message = "The policy changed while the task was waiting to run again. Submit it as a new task."
        run.end(TaskState.INTERRUPTED, MetaQoreError(POLICY_CHANGED, message, kind=ErrorKind.CONFLICT, retryable=True))
        return False

    async def _answer(self, run: _Run, routes: list[Route], call: ProviderCall) -> AsyncGenerator[Chunk, None]:
        try:
            async with aclosing(self.route_call(routes, call)) as pieces:
                async for piece in pieces:
                    if type(piece) is bytes:
                        if run.answer is None:
                            run.answer = self.digests.running(run.caller.organization)
                            run.observation.answered()
                        run.answer.update(piece)
                        yield Chunk(piece)
                    elif type(piece) is Usage:
                        run.usage = piece
                    elif type(piece) is Routed:
                        run.route = piece.route
        except MetaQoreError as error:
            run.end(TaskState.FAILED, error)
        else:
            run.end(TaskState.DONE)

    def _outcome(self, run: _Run) -> Outcome:
        route = run.route
        return Outcome(
            task=run.task.id,
            organization=run.caller.organization,
            receipt=run.receipt,
            decision=run.decision,
            state=run.state,
            attempts=run.attempts,
            duration_us=max(0, self.now_us() - run.started_us),
            usage=run.usage,
            model=route.model if route else None,
            provider=route.provider if route else None,
            locality=route.locality if route else None,
            answer=None if run.answer is None else run.answer.commitment(),
            error=run.error,
        )

    async def _record_outcome(self, run: _Run, outcome: Outcome) -> None:
        run.recorded = True
        await settled(asyncio.ensure_future(self.record_outcome(outcome)))
        run.observation.concluded(outcome)

    async def _cancelled(self, run: _Run, gone: BaseException) -> None:
        """Record the outcome of a task whose caller left, unless it has one, may not, or will be resumed."""
        if run.recorded:
            return
        if not run.decision or run.task.door is Door.KAFKA:
            run.observation.abandoned(gone)
            return
        if run.state is TaskState.RUNNING:
            message = "The caller left before the answer was complete."
            run.end(TaskState.CANCELLED, MetaQoreError("cancelled", message, kind=ErrorKind.CANCELLED))
        await self._record_outcome(run, self._outcome(run))
