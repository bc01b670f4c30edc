"""The spool's records of tasks, as far as projects are told of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from metaqore_ai_gateway.adapters.task_records import Decision, task_records
from metaqore_ai_gateway.service.psmp.seen_tasks import Ended, Seen, Started, forget_oldest
from metaqore_governance_core.decision import Verdict, denial
from metaqore_governance_core.task import TaskState
from metaqore_mesh.spool.groups import StoredGroup

TOLD: Final = "told"
"""The holder that keeps the spool's groups until projects are told of their tasks."""


@dataclass(frozen=True, slots=True)
class ToldTasks:
    """Gives groups to `SeeTasks`, straight from the spool: nearly all tasks name no project, and cost a glance."""

    see: Callable[[Sequence[Seen]], Awaitable[None]]
    _of_none: dict[str, None] = field(init=False, default_factory=dict, repr=False)

    async def __call__(self, groups: Sequence[StoredGroup]) -> None:
        """Return once every project is told. Raises what is to be tried again."""
        await self.see([one for group in groups for one in self._seen(group.value)])

    def _seen(self, group: bytes) -> Iterator[Seen]:
        of_none = self._of_none
        forget_oldest(of_none)
        for record in task_records(group):
            task = record.task
            if isinstance(record, Decision):
                if record.project is None:
                    of_none[task] = None
                else:
                    yield _started(record, record.project)
            elif task in of_none:
                del of_none[task]
            else:
                state = TaskState(record.state)
                yield Ended(f"{task}/finished", record.organization, task, state, record.error, record.time_us)


def _started(record: Decision, project: str) -> Started:
    denied = record.verdict == Verdict.DENY
    error = denial(tuple(record.reasons)).code if denied else None
    task = record.task
    return Started(f"{task}/started", record.organization, task, project, denied, error, record.time_us)
