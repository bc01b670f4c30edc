"""The spool's records of tasks, as far as projects are told of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from metaqore_ai_gateway.adapters.task_records import Decision, task_records
from metaqore_ai_gateway.service.psmp.seen_tasks import Ended, Seen, Started
from metaqore_governance_core.decision import Verdict, denial
from metaqore_governance_core.task import TaskState
from metaqore_mesh.spool.groups import StoredGroup

TOLD: Final = "told"
"""The holder that keeps the spool's groups until projects are told of their tasks."""


@dataclass(frozen=True, slots=True)
class ToldTasks:
    """Gives groups to `SeeTasks`, straight from the spool: nearly all tasks concern no project, and cost a glance."""

    see: Callable[[Sequence[Seen]], Awaitable[None]]

    async def __call__(self, groups: Sequence[StoredGroup]) -> None:
        """Return once every project is told. Raises what is to be tried again."""
        await self.see([one for group in groups for one in _seen(group.value)])


def _seen(group: bytes) -> Iterator[Seen]:
    for record in task_records(group):
        task, organization, time_us = record.task, record.organization, record.time_us
        if isinstance(record, Decision):
            denied = record.verdict == Verdict.DENY
            error = denial(tuple(record.reasons)).code if denied else None
            yield Started(f"{task}/started", organization, task, record.project, denied, error, time_us)
        else:
            yield Ended(f"{task}/finished", organization, task, TaskState(record.state), record.error, time_us)
