"""Tasks alone, where PSMP is not served."""

from __future__ import annotations

from typing import Any, NoReturn

from metaqore_ai_gateway.entrypoints.psmp_rest_door import PsmpDoor
from metaqore_ai_gateway.service.psmp.governed import not_found
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks
from metaqore_governance_core.errors import ErrorKind, MetaQoreError


class _Away:
    async def task(self, *_: Any) -> NoReturn:
        raise not_found("task")

    def __getattr__(self, name: str) -> Any:
        raise MetaQoreError("psmp_unavailable", "PSMP is not served here.", kind=ErrorKind.UNAVAILABLE)


def without_psmp(get_task: GetTask, list_tasks: ListTasks) -> PsmpDoor:
    """A door behind which there are only tasks."""
    away: Any = _Away()
    return PsmpDoor(away, away, away, get_task, list_tasks)
