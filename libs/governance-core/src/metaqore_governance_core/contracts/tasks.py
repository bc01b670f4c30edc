"""Events about tasks."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from metaqore_governance_core.contracts.event import Count, Event, Microseconds, UnixMicroseconds
from metaqore_governance_core.contracts.topics import TASK_LIFECYCLE, TASK_REQUESTS, TASK_RESULTS

FinalState = Literal["done", "denied", "failed", "interrupted", "cancelled"]
DoorName = Literal["rest", "grpc", "kafka"]
SensitivityName = Literal["PUBLIC", "INTERNAL", "SENSITIVE", "CRITICAL"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class ChatMessage(_Part):
    """One message of a chat, as OpenAI has it."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class TaskSubmitted(Event):
    """A task to be done: an OpenAI chat, or just a `prompt`. What is not given, the mesh's defaults fill."""

    ce_type: ClassVar[str] = "metaqore.task.submitted.v1"
    topic: ClassVar[str] = TASK_REQUESTS

    model: str | None = Field(None, min_length=1, max_length=256)
    messages: list[ChatMessage] | None = Field(None, min_length=1)
    prompt: str | None = Field(None, min_length=1, description="Shorthand for one message of the user.")
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = None
    stop: str | list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    sensitivity: SensitivityName | None = Field(None, description="Raises the sensitivity, never lowers it.")
    project: str | None = Field(None, min_length=1, max_length=256)
    deadline_s: float | None = Field(None, gt=0)
    propose_files: bool = Field(
        default=False, description="Proposes the files in the answer as artifacts, after the task has ended."
    )

    @model_validator(mode="after")
    def _one_question(self) -> TaskSubmitted:
        if (self.messages is None) == (self.prompt is None):
            raise ValueError("give either messages or prompt")
        return self


class TaskUsage(_Part):
    """Tokens that the model counted."""

    prompt_tokens: Count
    completion_tokens: Count
    total_tokens: Count


class TaskError(_Part):
    """Why there is no answer: a stable code, and a sentence for a person."""

    code: str
    message: str


class TaskRequest(_Part):
    """The event that asked: its `ce_source` and `ce_id`."""

    source: str
    id: str


class TaskCompleted(Event):
    """How a task ended that came by Kafka. `answer` is its text; `error` says why there is none."""

    ce_type: ClassVar[str] = "metaqore.task.completed.v1"
    topic: ClassVar[str] = TASK_RESULTS

    task: str
    organization: str
    state: FinalState
    receipt: str
    receipt_token: str
    model: str
    answer: str | None
    usage: TaskUsage | None
    error: TaskError | None
    attempts: Count
    request: TaskRequest


class TaskStarted(Event):
    """The decision about a task is recorded; where it permits, the task runs."""

    ce_type: ClassVar[str] = "metaqore.task.started.v1"
    topic: ClassVar[str] = TASK_LIFECYCLE

    task: str
    organization: str
    project: str | None
    door: DoorName
    model: str
    verdict: Literal["permit", "deny"]
    reasons: list[str]
    sensitivity: SensitivityName
    policy: str
    policy_version: str
    receipt: str
    time_us: UnixMicroseconds


class TaskFinished(Event):
    """The outcome of a task is recorded."""

    ce_type: ClassVar[str] = "metaqore.task.finished.v1"
    topic: ClassVar[str] = TASK_LIFECYCLE

    task: str
    organization: str
    state: FinalState
    error: str | None
    attempts: Count
    model: str | None
    provider: str | None
    prompt_tokens: Count | None
    completion_tokens: Count | None
    duration_us: Microseconds
    receipt: str
    time_us: UnixMicroseconds
