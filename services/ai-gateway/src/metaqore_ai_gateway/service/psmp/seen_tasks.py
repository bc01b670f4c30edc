"""Tasks of the doors that name a project: their own events tell it that they run, and how they end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Protocol

import structlog

from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Outcome, Ref, Repeatable, Submission
from metaqore_ai_gateway.service.psmp.places import Places
from metaqore_ai_gateway.service.psmp.relayed import SYSTEM_CAUSE
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.actor import SYSTEM
from metaqore_governance_core.psmp.work import SeeEnded, SeeStarted
from metaqore_governance_core.task import TaskState
from metaqore_governance_core.value_object import value_object

MAX_REMEMBERED: Final = 100_000
"""Running tasks of which it is remembered what project they name; of others it is looked up when they end."""
MAX_PROJECTS: Final = 10_000
RUNNING: Final = 64
"""Tasks that are told of side by side: what waits for one project shares its transactions."""

_log = structlog.get_logger()


@value_object
class Started:
    """The decision of a task that names a project is recorded. `event` is the id of its event, `error` the code of a
    denial.
    """

    event: str
    organization: str
    task: str
    project: str
    denied: bool
    error: str | None
    time_us: int


@value_object
class Ended:
    """A task's outcome is recorded. `event` is the id of its event."""

    event: str
    organization: str
    task: str
    state: TaskState
    error: str | None
    time_us: int


Seen = Started | Ended


class Submits(Protocol):
    """`ProjectQueues`."""

    async def submit(self, submission: Submission, /) -> Outcome:
        """What came of it. Raises its refusal."""
        ...


@dataclass(slots=True)
class SeeTasks:
    """Tells projects of the tasks that name them. Nobody waits for it, and no task fails by it.

    What names a project that does not exist is passed over, as is what a project refuses; `passed_over` is told why.
    An event may come again, and is told once.
    """

    places: Places
    queues: Submits
    passed_over: Callable[[str], None]
    _of_task: dict[str, str | None] = field(default_factory=dict)
    _projects: set[tuple[str, str]] = field(default_factory=set)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNNING))

    async def __call__(self, seen: Sequence[Seen]) -> None:
        """Tell of each task in its order, of different ones side by side.

        Raises the first failure that a repeat may mend; then give all of them again.
        """
        chains: dict[tuple[str, str], list[Seen]] = {}
        for one in seen:
            chains.setdefault((one.organization, one.task), []).append(one)
        failures = await asyncio.gather(*map(self._chain, chains.values()))
        for failure in filter(None, failures):
            raise failure

    async def _chain(self, chain: Sequence[Seen]) -> MetaQoreError | None:
        """What happened to one task, in its order: an end never goes ahead of its start."""
        async with self._room:
            for one in chain:
                error = await self._told(one)
                if error is not None:
                    return error
        return None

    async def _told(self, one: Seen) -> MetaQoreError | None:
        try:
            if isinstance(one, Started):
                await self._started(one)
            else:
                await self._ended(one)
        except MetaQoreError as error:
            if error.retryable:
                return error
            self.passed_over(error.code)
        except Exception:  # noqa: BLE001 - tried again and again, it would hold up all behind it
            _log.exception("psmp.seen_task_broke", task=one.task, seen_event=one.event)
            self.passed_over(ErrorKind.INTERNAL.value)
        return None

    async def _started(self, one: Started) -> None:
        project = one.project
        if not await self._exists(one.organization, project):
            self._remember(one.task, None)
            self.passed_over("project_not_found")
            return
        command = SeeStarted(
            SYSTEM, one.time_us, one.task, one.organization, project, denied=one.denied, error=one.error
        )
        await self._submit(one, project, command, [one.denied, one.error])
        self._remember(one.task, None if one.denied else project)

    async def _ended(self, one: Ended) -> None:
        """A denial was told with the start."""
        if one.task in self._of_task:
            project = self._of_task[one.task]
        else:
            place = await self.places.place(one.organization, Kind.TASK, one.task)
            project = None if place is None else place.project
        if project is not None and one.state is not TaskState.DENIED:
            command = SeeEnded(SYSTEM, one.time_us, one.state, one.error)
            await self._submit(one, project, command, [one.state.value, one.error])
        self._of_task.pop(one.task, None)

    async def _submit(
        self, one: Seen, project: str, command: SeeStarted | SeeEnded, said: list[bool | str | None]
    ) -> None:
        named = f"{SYSTEM_CAUSE}{one.event}"
        digest = hashlib.sha256(canonical([one.task, project, *said, one.time_us])).digest()
        asked = (Asked(Ref(Kind.TASK, one.task), command),)
        await self.queues.submit(Submission(named, one.organization, project, asked, Repeatable(named, digest)))

    async def _exists(self, organization: str, project: str) -> bool:
        """Once there, a project is there for ever; one that is not may be there the next time."""
        if (organization, project) in self._projects:
            return True
        if await self.places.place(organization, Kind.PROJECT, project) is None:
            return False
        if len(self._projects) >= MAX_PROJECTS:
            self._projects.clear()
        self._projects.add((organization, project))
        return True

    def _remember(self, task: str, project: str | None) -> None:
        forget_oldest(self._of_task)
        self._of_task[task] = project


def forget_oldest(remembered: dict[str, Any]) -> None:
    """Keep the newer half of what is remembered of tasks, once there are more than `MAX_REMEMBERED`."""
    if len(remembered) >= MAX_REMEMBERED:
        for old in list(islice(remembered, MAX_REMEMBERED // 2)):
            del remembered[old]
