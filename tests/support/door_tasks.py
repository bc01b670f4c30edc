"""One task that came through a door, as its organization reads it."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_ai_gateway.domain.task_view import Page, TaskView
from metaqore_governance_core.task import TaskState


@dataclass(frozen=True)
class OneDoorTask:
    """The port `TaskStore` with one task in one organization."""

    organization: str
    id: str

    async def get(self, organization: str, task: str) -> TaskView | None:
        """The task, to those whose it is."""
        return self._view() if (organization, task) == (self.organization, self.id) else None

    async def page(self, organization: str, _page: Page) -> list[TaskView]:
        """The task alone, to those whose it is."""
        return [self._view()] if organization == self.organization else []

    def _view(self) -> TaskView:
        return TaskView(
            id=self.id, organization=self.organization, project=None, state=TaskState.DONE, door="rest",
            caller="key_1", model="m", provider="local", sensitivity="PUBLIC", sensitivity_sources=(),
            verdict="permit", reasons=(), policy="default_local_first", policy_version="0" * 16, receipt=self.id,
            error=None, prompt_tokens=1, completion_tokens=2, duration_us=3, attempts=1, created_us=4, ended_us=5,
        )  # fmt: skip
