"""A queue for each project: what waits for the same project shares the next transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, TypeAlias

import structlog

from metaqore_ai_gateway.service.psmp.asked import Outcome, Submission
from metaqore_ai_gateway.service.psmp.ports import ProjectStore
from metaqore_ai_gateway.service.psmp.transact import Result, transact
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.artifact_commands import EraseBody

LARGEST_SHARE: Final = 64
"""Submissions in one transaction: more of them would save little and let the first wait for the last."""
LONGEST_QUEUE: Final = 10_000
_ATTEMPTS: Final = 4
_RETRY: Final = "database_conflict"

_log = structlog.get_logger()
_Place: TypeAlias = tuple[str, str]
_Waiting: TypeAlias = "tuple[Submission, asyncio.Future[Result]]"


class ProjectQueues:
    """Where submissions go. Each is answered once its transaction is committed, or not at all part of one.

    One that is refused stops no other. Where a transaction fails as a whole, each of it is tried by itself. An erasure
    shares with nobody: projects that name a text and erase it in one transaction each would wait for each other.
    """

    def __init__(self, store: ProjectStore) -> None:
        self._store = store
        self._waiting: dict[_Place, deque[_Waiting]] = {}
        self._workers: dict[_Place, asyncio.Task[None]] = {}

    async def submit(self, submission: Submission) -> Outcome:
        """What came of it. Raises its refusal, or `database_unavailable`: then repeat it under its idempotency key."""
        place = (submission.organization, submission.project)
        queue = self._waiting.setdefault(place, deque())
        if len(queue) >= LONGEST_QUEUE:
            raise MetaQoreError(
                "project_busy", "Too much waits for this project. Try again.", kind=ErrorKind.EXHAUSTED, retryable=True
            )
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        queue.append((submission, done))
        if place not in self._workers:
            self._workers[place] = asyncio.create_task(self._work(place), name="psmp project queue")
        result = await done
        if isinstance(result, MetaQoreError):
            raise result
        return result

    async def settled(self) -> None:
        """Return once everything that was submitted so far is answered."""
        if self._workers:
            await asyncio.wait(list(self._workers.values()))

    async def _work(self, place: _Place) -> None:
        queue = self._waiting[place]
        try:
            while queue:
                # One turn of the loop, so that what became ready together goes together.
                await asyncio.sleep(0)
                share = _next_share(queue)
                # Whoever stopped waiting before it began wants nothing any more.
                await self._share([one for one in share if not one[1].done()])
        finally:
            self._workers.pop(place)
            for _, done in self._waiting.pop(place):
                done.cancel()

    async def _share(self, share: list[_Waiting]) -> None:
        if not share:
            return
        try:
            results = await self._transact([submission for submission, _ in share])
        except Exception as error:  # noqa: BLE001  it reaches whoever waits
            if len(share) > 1 and not (isinstance(error, MetaQoreError) and error.retryable):
                for one in share:
                    await self._share([one])
                return
            for _, done in share:
                if not done.done():
                    done.set_exception(error)
            if not isinstance(error, MetaQoreError):
                _log.exception("psmp.transaction_failed", submissions=len(share))
            return
        for (_, done), result in zip(share, results, strict=True):
            if not done.done():
                done.set_result(result)

    async def _transact(self, submissions: list[Submission]) -> list[Result]:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await transact(self._store, submissions)
            except MetaQoreError as error:
                if error.code != _RETRY:
                    raise
        return await transact(self._store, submissions)


def _next_share(queue: deque[_Waiting]) -> list[_Waiting]:
    """The next that go together, in their order."""
    share = [queue.popleft()]
    while queue and len(share) < LARGEST_SHARE and not (_erases(share[0]) or _erases(queue[0])):
        share.append(queue.popleft())
    return share


def _erases(waiting: _Waiting) -> bool:
    return any(isinstance(asked.command, EraseBody) for asked in waiting[0].asked)
