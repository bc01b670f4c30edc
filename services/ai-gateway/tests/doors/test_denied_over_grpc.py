"""A denied task leaves nothing of itself to the collector."""

from __future__ import annotations

import gc
import weakref

import pytest

from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.entrypoints.grpc_tasks import TaskServicer
from metaqore_ai_gateway.service.events import Concluded
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.task import TaskState


class Task:
    """What was sent."""


async def denied(_caller, _task):
    error = MetaQoreError("credential_in_prompt", "Take it out.", kind=ErrorKind.FORBIDDEN)
    yield Concluded(Outcome("t1", "org_1", "r", "d", TaskState.DENIED, 1, 1, error=error))


async def ask(servicer, task):
    with pytest.raises(MetaQoreError, match="Take it out"):
        async for _ in servicer._governed(None, task, None, None):
            pass


async def test_the_text_of_a_denied_task_is_freed_at_once():
    servicer = TaskServicer(denied, None, None, None, None, None)
    task = Task()
    left = weakref.ref(task)
    gc.disable()
    try:
        await ask(servicer, task)
        del task
        assert left() is None
    finally:
        gc.enable()
