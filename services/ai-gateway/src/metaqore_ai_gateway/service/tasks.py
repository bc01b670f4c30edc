"""The use cases that read tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from metaqore_ai_gateway.domain.task_view import Page, TaskView, page_token
from metaqore_ai_gateway.service.authenticate import require_scope
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.identity import Caller, Scope
from metaqore_governance_core.ids import is_uuid7


class TaskStore(Protocol):
    """The tasks that have a recorded decision; it follows the records within moments."""

    async def get(self, organization: str, task: str) -> TaskView | None:
        """A task of the organization, or None."""
        ...

    async def page(self, organization: str, page: Page) -> list[TaskView]:
        """Tasks of the organization, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class GetTask:
    """One task of the caller's organization."""

    tasks: TaskStore

    async def __call__(self, caller: Caller, task: str) -> TaskView:
        """The task. Raises `task_not_found`."""
        require_scope(caller, Scope.TASKS_READ)
        found = await self.tasks.get(caller.organization, task) if is_uuid7(task) else None
        if found is None:
            raise MetaQoreError(
                "task_not_found",
                "Your organization has no task with this id (a task appears a moment after its decision).",
                kind=ErrorKind.NOT_FOUND,
            )
        return found


@dataclass(frozen=True, slots=True)
class ListTasks:
    """Tasks of the caller's organization."""

    tasks: TaskStore

    async def __call__(self, caller: Caller, page: Page) -> tuple[list[TaskView], str]:
        """A page, newest first, and the token of the next one, empty where there is none."""
        require_scope(caller, Scope.TASKS_READ)
        found = await self.tasks.page(caller.organization, Page(page.size + 1, page.before, page.state))
        if len(found) <= page.size:
            return found, ""
        shown = found[: page.size]
        return shown, page_token(shown[-1])
