"""What is sent back for a task that came over the bus."""

from __future__ import annotations

from dataclasses import field

from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.task import TaskState
from metaqore_governance_core.value_object import value_object


@value_object
class RequestName:
    """The event that asked: its `ce_source` and `ce_id`."""

    source: str
    id: str


@value_object
class ResultError:
    """Why there is no answer: a stable code, and a sentence for a person."""

    code: str
    message: str


@value_object
class ResultUsage:
    """Tokens that the model counted."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@value_object
class TaskResult:
    """The value of a result (contract `TaskCompleted`). What was refused before a decision has no receipt.

    `receipt_token` is empty where the task ended after a crash and its signed receipt was no longer in the spool; the
    receipt's id then resolves at the auditor, which has sealed it.
    """

    task: str
    organization: str
    state: TaskState
    receipt: str
    receipt_token: str
    model: str
    attempts: int
    request: RequestName
    answer: str | None = field(default=None, repr=False)
    usage: ResultUsage | None = None
    error: ResultError | None = None


def result_of(outcome: Outcome, request: RequestName, model: str, receipt_token: str, answer: str | None) -> TaskResult:
    """The result of a task that was decided upon. An answer that did not end well is not given."""
    done = outcome.state is TaskState.DONE
    prompt_tokens, completion_tokens = outcome.usage.prompt_tokens, outcome.usage.completion_tokens
    counted = prompt_tokens is not None and completion_tokens is not None
    return TaskResult(
        task=outcome.task,
        organization=outcome.organization,
        state=outcome.state,
        receipt=outcome.receipt,
        receipt_token=receipt_token,
        model=model,
        attempts=outcome.attempts,
        request=request,
        answer=answer if done else None,
        usage=ResultUsage(prompt_tokens or 0, completion_tokens or 0, (prompt_tokens or 0) + (completion_tokens or 0))
        if counted
        else None,
        error=None if outcome.error is None else ResultError(outcome.error.code, outcome.error.message),
    )


def refusal(
    error: MetaQoreError, request: RequestName, *, model: str = "", task: str = "", organization: str = ""
) -> TaskResult:
    """The result of what was refused before a decision: it is not recorded, and has no receipt."""
    return TaskResult(
        task=task,
        organization=organization,
        state=TaskState.FAILED,
        receipt="",
        receipt_token="",
        model=model,
        attempts=0,
        request=request,
        error=ResultError(error.code, error.message),
    )
