"""The tasks that new versions say they were made for: each is one of their project."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.ids import DEFAULT_PROJECT
from metaqore_ai_gateway.service.psmp.places import Places
from metaqore_ai_gateway.service.psmp.storable import storable
from metaqore_ai_gateway.service.tasks import TaskStore
from metaqore_governance_core.contracts.psmp_artifact_commands import NewVersion
from metaqore_governance_core.ids import is_uuid7
from metaqore_governance_core.psmp.refusal import conflict


@dataclass(frozen=True, slots=True)
class CheckTasks:
    """Looks for tasks that wait for an agent, and for those that came through a door: `tasks` has the latter."""

    places: Places
    tasks: TaskStore

    async def __call__(self, organization: str, project: str, versions: Iterable[NewVersion], known: str = "") -> None:
        """Raises `task_missing` for the first that is not in the project. `known` is one that needs no looking up."""
        named = dict.fromkeys(one.provenance.task for one in versions)
        for task in named:
            if not task or task == known:
                continue
            found = await self._project_of(organization, task)
            if found is None:
                raise conflict(
                    "task_missing", f"There is no task {task} in this project. Open it, or name none.", reasons=(task,)
                )
            if found != project:
                raise conflict(
                    "task_missing",
                    f"The task {task} is in the project {found}, not in this one. Name one that is here, or none.",
                    reasons=(task,),
                )

    async def _project_of(self, organization: str, task: str) -> str | None:
        if not storable(task):
            return None
        place = await self.places.place(organization, Kind.TASK, task)
        if place is not None:
            return place.project
        view = await self.tasks.get(organization, task) if is_uuid7(task) else None
        return None if view is None else view.project or DEFAULT_PROJECT
