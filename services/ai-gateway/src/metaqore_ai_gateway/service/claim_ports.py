"""What working on claims needs from outside, beside their store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.domain.task_result import TaskResult
from metaqore_governance_core.writer_state import OpenDecision


class ResultChannel(Protocol):
    """Where results go."""

    async def send(self, result: TaskResult, reply_key: bytes) -> None:
        """Return once the result is where its asker finds it; sent twice, it can be known as the same.

        Raises `MetaQoreError` of kind unavailable where that cannot be said.
        """
        ...


@dataclass(frozen=True, slots=True)
class TaskHistory:
    """What is recorded of a task. `receipt_token` is empty where the signed receipt is no longer at hand."""

    decision: OpenDecision | None = None
    outcome: Outcome | None = None
    receipt_token: str = ""


class Histories(Protocol):
    """What this writer recorded in its life, up to now."""

    @property
    def open(self) -> Mapping[str, OpenDecision]:
        """Its decisions without an outcome, by task; always up to date."""
        ...

    async def recorded(self, organization: str, task: str) -> TaskHistory:
        """What the spool still holds of a task, else what the auditor has sealed.

        Raises `MetaQoreError` of kind unavailable while the auditor, where it is needed, cannot be asked.
        """
        ...

    async def receipt_token(self, task: str) -> str:
        """The receipt of a task's decision, as a token; empty where the spool no longer holds it."""
        ...
