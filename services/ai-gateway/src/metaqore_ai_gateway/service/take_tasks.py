"""Take tasks from the bus: scan them, claim them, and work on each claim until it is finished."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from typing import Final, Protocol

import structlog

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.claim import Claim, ClaimState, Origin
from metaqore_ai_gateway.domain.examined import Examined
from metaqore_ai_gateway.domain.kept_task import keep
from metaqore_ai_gateway.domain.rulebook import Rulebook
from metaqore_ai_gateway.domain.task_result import RequestName, TaskResult, refusal
from metaqore_ai_gateway.service.authenticate import authenticate, require_scope
from metaqore_ai_gateway.service.claim_ports import Histories, ResultChannel
from metaqore_ai_gateway.service.claim_store import ClaimStore
from metaqore_ai_gateway.service.large_texts import LARGE_TEXT_BYTES
from metaqore_ai_gateway.service.outcome_gate import OutcomeGate
from metaqore_ai_gateway.service.ports import Keys
from metaqore_ai_gateway.service.resume_claim import ResumeClaim
from metaqore_ai_gateway.service.run_claim import NotBegunError, RunClaim
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller, Door, Scope
from metaqore_governance_core.value_object import value_object

FIRST_DELAY_S: Final = 0.1
LONGEST_DELAY_S: Final = 5.0

SETTLE_S: Final = 1.0
"""So long at least a drain waits for what it cut off, and for the database to take the last ends of claims."""

_log = structlog.get_logger()


@value_object
class Submission:
    """A task that could be read, or why it cannot run although it could.

    `authorization` is the header's text; it goes no further than its check.
    """

    request: RequestName
    authorization: str | None = field(repr=False)
    reply_key: bytes
    task: ChatTask | MetaQoreError


Examine = Callable[[Caller, ChatTask], Examined]
"""`GovernTask.examine`: what is in a prompt. Takes its time with a large one."""

_Found = tuple[Claim, ChatTask, Examined]


class Watch(Protocol):
    """Who is told of what comes over the bus."""

    def refused(self, error: MetaQoreError) -> None:
        """A task was refused before any decision."""
        ...

    def processing(self, traceparent: str | None) -> AbstractContextManager[object]:
        """Entered around the work on a claim; `traceparent` is the W3C trace context that came with it."""
        ...


class TakeTasks:
    """Work on claims in the background, at most about `limit` at a time; whoever submits more waits.

    All outcomes of that work pass `gate`.
    """

    def __init__(
        self,
        *,
        keys: Keys,
        rulebook: Rulebook,
        examine: Examine,
        store: ClaimStore,
        results: ResultChannel,
        histories: Histories,
        run: RunClaim,
        resume: ResumeClaim,
        gate: OutcomeGate,
        watch: Watch,
        writer: str,
        limit: int,
    ) -> None:
        self._keys = keys
        self._rulebook = rulebook
        self._examine = examine
        self._store = store
        self._results = results
        self._histories = histories
        self._run = run
        self._resume = resume
        self._gate = gate
        self._watch = watch
        self._writer = writer
        self._limit = limit
        self._working: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def working(self) -> int:
        """How many claims are worked on now."""
        return len(self._working)

    async def __call__(self, submissions: Sequence[Submission]) -> None:
        """Return when each task is claimed, or answered for good: its record on the bus is no longer needed.

        Raises `MetaQoreError`, retryable, where that could not be done; submitting all again does no harm.
        """
        await self._wait_for_room()
        found: list[_Found] = []
        callers: dict[str | None, Caller] = {}
        answers: list[tuple[TaskResult, bytes]] = []
        for submission in submissions:
            try:
                found.append(await self._found(submission, callers))
            except MetaQoreError as error:
                self._watch.refused(error)
                answers.append((self._refusal(error, submission), submission.reply_key))
        if found:
            standings = await self._store.claim([claim for claim, _, _ in found])
            for one, standing in zip(found, standings, strict=True):
                if standing is None:
                    self._start(one[0].task, one)
                elif standing.state is ClaimState.DONE:
                    if standing.result is not None:
                        answers.append((standing.result, standing.reply_key))
                elif standing.writer == self._writer:
                    self._start(standing.task)
        if answers:
            await asyncio.gather(*(self._results.send(result, key) for result, key in answers))

    async def resume_all(self) -> None:
        """Take up, at start, what was left unfinished."""
        left = await self._store.unfinished()
        tasks = {standing.task for standing in left}
        orphans = [
            (task, decision)
            for task, decision in self._histories.open.items()
            if decision.door == Door.KAFKA and task not in tasks
        ]
        for task, decision in orphans:
            _log.warning("claim.orphan_interrupted", task=task)
            await self._resume.interrupt_orphan(task, decision)
        for standing in left:
            self._start(standing.task)
        if left:
            _log.info("claims.resumed", claims=len(left))

    async def drain(self, timeout_s: float) -> None:
        """Wait for the claims in work. What is not finished in time is cut off and stays claimed; the next start
        resumes it.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + timeout_s
        if self._working:
            await asyncio.wait(self._working.values(), timeout=timeout_s)
        self._gate.close()
        left = list(self._working.values())
        for work in left:
            work.cancel()
        if left:
            _log.warning("claims.left", claims=len(left))
            # Not for ever: work may be cut off while its record goes to a broker that is away.
            await asyncio.wait(left, timeout=SETTLE_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(max(ends, loop.time() + SETTLE_S)):
                await self._store.settled()

    async def _found(self, submission: Submission, callers: dict[str | None, Caller]) -> _Found:
        """What is to be claimed, scanned before anything of it is stored. `callers` are those that are known by now."""
        caller = callers.get(submission.authorization)
        if caller is None:
            caller = authenticate(self._keys, submission.authorization)
            require_scope(caller, Scope.TASKS_SUBMIT)
            callers[submission.authorization] = caller
        task = submission.task
        if isinstance(task, MetaQoreError):
            raise task
        if task.envelope.propose_files:
            require_scope(caller, Scope.PSMP_WRITE)
        self._rulebook.routes(task.model, caller)
        small = task.size_bytes < LARGE_TEXT_BYTES
        examined = self._examine(caller, task) if small else await asyncio.to_thread(self._examine, caller, task)
        origin = Origin(caller.organization, submission.request.source, submission.request.id)
        kept = keep(task, examined, self._rulebook.policy.project_labels)
        return Claim(origin, task.id, caller, submission.reply_key, kept), task, examined

    def _refusal(self, error: MetaQoreError, submission: Submission) -> TaskResult:
        """A model that is none of ours is not repeated: nobody scanned its name."""
        task = submission.task
        model = task.model if isinstance(task, ChatTask) and task.model in self._rulebook.models else ""
        return refusal(error, submission.request, model=model)

    async def _wait_for_room(self) -> None:
        while len(self._working) >= self._limit:
            self._room.clear()
            await self._room.wait()

    def _start(self, task: str, found: _Found | None = None) -> None:
        if task not in self._working:
            # Kept: to ask for the running loop is a system call (getpid) before Python 3.12.
            loop = self._loop = self._loop or asyncio.get_running_loop()
            work = self._working[task] = loop.create_task(self._until_finished(task, found), name=task)
            work.add_done_callback(self._ended)

    def _ended(self, work: asyncio.Task[None]) -> None:
        del self._working[work.get_name()]
        self._room.set()
        if not work.cancelled():
            work.exception()  # one that took a cancellation's place; the next start resumes the claim

    async def _until_finished(self, task: str, found: _Found | None) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            try:
                with self._watch.processing(None if found is None else found[1].envelope.traceparent):
                    if found is not None:
                        return await self._run(*found)
                    return await self._resume(task)
            except NotBegunError as error:
                reason = error.__cause__
            except Exception as error:
                if _cancelling():
                    raise  # the process ends; the next one resumes
                reason, found = error, None
            code = reason.code if isinstance(reason, MetaQoreError) else type(reason).__name__
            _log.warning("claim.delayed", task=task, error=code, delay_s=delay_s)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)


def _cancelling() -> bool:
    """Whether this task was cancelled, even if another error took the cancellation's place."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0
