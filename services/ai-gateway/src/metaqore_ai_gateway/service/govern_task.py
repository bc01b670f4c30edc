"""The governed task: scan, decide, record, run, record again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import structlog

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.examined import Examined
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.domain.resumption import policy_changed
from metaqore_ai_gateway.domain.rulebook import Rulebook, permitted_routes
from metaqore_ai_gateway.service.admission import Admission
from metaqore_ai_gateway.service.events import Chunk, Concluded, Concluding, Decided, Event, Resumed
from metaqore_ai_gateway.service.large_texts import LARGE_TEXT_BYTES
from metaqore_ai_gateway.service.outcome_gate import Recorder
from metaqore_ai_gateway.service.ports import Appended, Digests, ProjectNames, ProviderCall, TaskObserver
from metaqore_ai_gateway.service.project_names import name_for
from metaqore_ai_gateway.service.record_decision import RecordDecision
from metaqore_ai_gateway.service.route_call import RouteCall
from metaqore_ai_gateway.service.run import Run
from metaqore_ai_gateway.service.settled import settled
from metaqore_governance_core.allowpaths import model_tool
from metaqore_governance_core.decision import GENERATE, Decision, Request, decide, denial
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Door
from metaqore_governance_core.scanner import NOTHING_FOUND, Scanner
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.task import TaskState

__all__ = ["Chunk", "Concluded", "Concluding", "Decided", "Event", "GovernTask", "Resumed"]

MAX_KEPT_DECISIONS: Final = 4096
"""A caller chooses the project's name, so what is kept needs a bound."""

_Question = tuple[str, str, str, Sensitivity | None, str | None, str | None]

_log = structlog.get_logger()


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
    record_outcome: Recorder
    route_call: RouteCall
    admission: Admission
    observer: TaskObserver
    project_names: ProjectNames
    now_us: Callable[[], int]
    new_id: Callable[[], str]
    _decisions: dict[_Question, Decision] = field(init=False, default_factory=dict, repr=False)

    async def __call__(
        self, caller: Caller, task: ChatTask, *, resumed: Resumed | None = None, examined: Examined | None = None
    ) -> AsyncGenerator[Event, None]:
        """The events of `task`, in order. Who has examined its prompt already gives what was `examined`."""
        routes = self.rulebook.routes(task.model, caller)
        deadline = asyncio.get_running_loop().time() + task.envelope.deadline_s
        self.admission.enter()
        run = self._run(caller, task, resumed)
        try:
            if examined is None:
                small = task.size_bytes < LARGE_TEXT_BYTES
                examined = self.examine(caller, task) if small else await asyncio.to_thread(self.examine, caller, task)
            policy, project = self.rulebook.policy, task.envelope.project
            named = await name_for(policy, self.project_names, caller.organization, project)
            decision = self._decision(run, examined, named)
            if resumed is None:
                appended = await self._record_decision(run, examined, decision)
                receipt = appended.receipt(run.receipt, caller.organization, task.id)
                yield Decided(decision, receipt, decision.permitted)
            if self._may_run(run, decision, resumed):
                trace = run.observation.traceparent
                call = ProviderCall(task.model, task.stream, deadline, task.body, trace, task.id)
                try:
                    async with aclosing(self.route_call(permitted_routes(routes, decision), call)) as pieces:
                        async for piece in pieces:
                            if isinstance(piece, bytes):
                                self._commit_to(run, piece)
                                yield Chunk(piece)
                            else:
                                run.learn(piece)
                    run.end(TaskState.DONE)
                except MetaQoreError as error:
                    run.end(TaskState.FAILED, error)
                except Exception:  # noqa: BLE001 - a fault of ours; the task ends all the same
                    _log.exception("task.broke", task=task.id)
                    run.end(TaskState.FAILED, _fault())
            outcome = run.outcome(self.now_us())
            yield Concluding(outcome)
            await self._record_outcome(run, outcome)
            yield Concluded(outcome)
        except (asyncio.CancelledError, GeneratorExit) as gone:
            await self._cancelled(run, gone)
            raise
        except BaseException as error:
            run.observation.abandoned(error)
            raise
        finally:
            self.admission.leave()

    def _run(self, caller: Caller, task: ChatTask, resumed: Resumed | None) -> Run:
        observation = self.observer.observe(caller, task)
        if resumed is None:
            return Run(caller, task, observation, self.new_id(), self.now_us())
        before = resumed.decision
        return Run(caller, task, observation, before.receipt, before.time_us, resumed.attempts, before.leaf_hash)

    def examine(self, caller: Caller, task: ChatTask) -> Examined:
        """Scan the prompt, and take its digest. From `LARGE_TEXT_BYTES` on it is long enough to need a thread."""
        prompt = self.digests.commit(caller.organization, task.digest_input)
        try:
            return Examined(self.scanner.scan(task.text), prompt)
        except Exception as error:  # noqa: BLE001 - whatever failed, the text is unknown: CRITICAL
            _log.error("scanner.failed", task=task.id, error=type(error).__name__)
            return Examined(NOTHING_FOUND, prompt, scanner_failed=True)

    def _decision(self, run: Run, examined: Examined, named: str | None) -> Decision:
        """What `decide` says. Where nothing was found, it says the same again and again, so that is kept."""
        if examined.findings.counts or examined.scanner_failed:
            return self._decided(run, examined, named)
        caller, envelope = run.caller, run.task.envelope
        question = (caller.organization, caller.name, run.task.model, envelope.label, envelope.project, named)
        decision = self._decisions.get(question)
        if decision is None:
            if len(self._decisions) >= MAX_KEPT_DECISIONS:
                self._decisions.clear()
            decision = self._decisions[question] = self._decided(run, examined, named)
        return decision

    def _decided(self, run: Run, examined: Examined, named: str | None) -> Decision:
        task = run.task
        return decide(
            self.rulebook.policy,
            Request(
                caller=run.caller,
                tool=model_tool(task.model),
                verb=GENERATE,
                candidates=self.rulebook.localities(task.model),
                label=task.envelope.label,
                project=task.envelope.project,
                project_name=named,
                findings=examined.findings,
                scanner_failed=examined.scanner_failed,
            ),
        )

    def _record_decision(self, run: Run, examined: Examined, decision: Decision) -> Awaitable[Appended]:
        if not decision.permitted:
            run.end(TaskState.DENIED, denial(decision.reasons))
        pending = asyncio.ensure_future(self.record_decision(run.caller, run.task, run.receipt, examined, decision))
        return settled(pending, lambda appended: run.decided(decision, appended))

    def _may_run(self, run: Run, decision: Decision, resumed: Resumed | None) -> bool:
        if resumed is not None:
            if decision.policy_version != resumed.decision.policy_version:
                run.end(TaskState.INTERRUPTED, policy_changed())
                return False
            if not decision.permitted:
                run.end(TaskState.DENIED, denial(decision.reasons))
        if decision.permitted and not run.task.body:
            run.end(TaskState.INTERRUPTED, _text_not_kept())
            return False
        return decision.permitted

    def _commit_to(self, run: Run, piece: bytes) -> None:
        organization = run.caller.organization
        if not run.task.stream:
            run.answer = self.digests.commit(organization, piece)
            return
        if run.streamed is None:
            run.streamed = self.digests.running(organization)
            run.observation.answered()
        run.streamed.update(piece)

    def _record_outcome(self, run: Run, outcome: Outcome) -> Awaitable[Appended]:
        run.recorded = True
        pending = asyncio.ensure_future(self.record_outcome(outcome))
        return settled(pending, lambda _: run.observation.concluded(outcome))

    async def _cancelled(self, run: Run, gone: BaseException) -> None:
        """Record the outcome of a task whose caller left, unless it has one, may not, or will be resumed."""
        if run.recorded:
            return
        if not run.decision or run.task.door is Door.KAFKA:
            run.observation.abandoned(gone)
            return
        if run.state is TaskState.RUNNING:
            run.end(TaskState.CANCELLED, _caller_left())
        try:
            await self._record_outcome(run, run.outcome(self.now_us()))
        except MetaQoreError as error:
            run.observation.abandoned(error)


def _text_not_kept() -> MetaQoreError:
    message = "The gateway stopped before the task ran, and keeps no text that it could not scan. Submit it again."
    return MetaQoreError("text_not_kept", message, kind=ErrorKind.INTERNAL, retryable=True)


def _fault() -> MetaQoreError:
    message = "Something went wrong here. Try again; if it stays, the operator finds the cause in the service's log."
    return MetaQoreError("internal", message, kind=ErrorKind.INTERNAL)


def _caller_left() -> MetaQoreError:
    return MetaQoreError("cancelled", "The caller left before the answer was complete.", kind=ErrorKind.CANCELLED)
