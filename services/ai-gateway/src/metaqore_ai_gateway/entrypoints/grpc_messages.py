"""Tasks and keys as protobuf messages."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from metaqore.gateway.v1 import gateway_pb2 as pb
from metaqore_ai_gateway.domain.api_key import ApiKey
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.domain.task_view import TaskView
from metaqore_ai_gateway.service.events import Decided
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_governance_core.task import TaskState

_STATES: Final = {state: pb.TaskState.Value(f"TASK_STATE_{state.name}") for state in TaskState}
_ASKED_STATES: Final[dict[int, TaskState]] = {value: state for state, value in _STATES.items()}
_SENSITIVITIES: Final = {level: pb.Sensitivity.Value(f"SENSITIVITY_{level.name}") for level in Sensitivity}
_LABELS: Final[dict[int, Sensitivity]] = {value: level for level, value in _SENSITIVITIES.items()}


def label_of(value: int) -> Sensitivity | None:
    """The caller's label, if any. Raises `sensitivity_unknown`: what we do not know may be higher than what we do."""
    if not value:
        return None
    label = _LABELS.get(value)
    return Sensitivity.parse(str(value)) if label is None else label


def state_of(value: int) -> TaskState | None:
    """The state that is asked for; None for any. Raises `task_state_unknown`."""
    if not value:
        return None
    state = _ASKED_STATES.get(value)
    if state is None:
        raise MetaQoreError("task_state_unknown", f"Ask for one of: {', '.join(TaskState)}; or for none, to see all.")
    return state


def chat_body(request: pb.SubmitTaskRequest, default_model: str) -> dict[str, Any]:
    """The OpenAI request that a gRPC request stands for. Raises `invalid_type`."""
    body: dict[str, Any] = {
        "model": request.model or default_model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
    }
    if request.max_tokens:
        body["max_tokens"] = request.max_tokens
    if request.HasField("temperature"):
        if not math.isfinite(request.temperature):  # JSON, which providers read, has no such number
            raise MetaQoreError("invalid_type", "`temperature` must be a finite number.")
        body["temperature"] = request.temperature
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def accepted(decided: Decided, token: str) -> pb.SubmitTaskResponse:
    """The first message of a permitted task."""
    decision = decided.decision
    return pb.SubmitTaskResponse(
        accepted=pb.Accepted(
            task_id=decided.receipt.task,
            receipt_id=decided.receipt.id,
            receipt_token=token,
            sensitivity=_SENSITIVITIES[decision.sensitivity],
            sensitivity_sources=decision.sensitivity_sources,
            policy=decision.policy,
            policy_version=decision.policy_version,
        )
    )


def piece(text: str) -> pb.SubmitTaskResponse:
    """A part of the answer."""
    return pb.SubmitTaskResponse(piece=pb.Piece(text=text))


def concluded(outcome: Outcome) -> pb.SubmitTaskResponse:
    """The last message of a task."""
    return pb.SubmitTaskResponse(
        outcome=pb.Outcome(
            state=_STATES[outcome.state],
            model=outcome.model or "",
            provider=outcome.provider or "",
            finish_reason=outcome.usage.finish_reason or "",
            prompt_tokens=outcome.usage.prompt_tokens,
            completion_tokens=outcome.usage.completion_tokens,
            duration_us=outcome.duration_us,
            error_code=outcome.error.code if outcome.error else "",
            error_message=outcome.error.message if outcome.error else "",
        )
    )


def task_message(task: TaskView) -> pb.Task:
    """A projected task."""
    return pb.Task(
        id=task.id,
        organization=task.organization,
        project=task.project or "",
        state=_STATES[task.state],
        door=task.door,
        caller=task.caller,
        model=task.model,
        provider=task.provider or "",
        sensitivity=_SENSITIVITIES[Sensitivity[task.sensitivity]],
        sensitivity_sources=task.sensitivity_sources,
        verdict=task.verdict,
        reasons=task.reasons,
        policy=task.policy,
        policy_version=task.policy_version,
        receipt_id=task.receipt,
        error_code=task.error or "",
        prompt_tokens=task.prompt_tokens,
        completion_tokens=task.completion_tokens,
        duration_us=task.duration_us or 0,
        attempts=task.attempts,
        create_time=_timestamp_us(task.created_us),
        end_time=None if task.ended_us is None else _timestamp_us(task.ended_us),
    )


def key_message(key: ApiKey) -> pb.ApiKey:
    """An API key, without its secret."""
    return pb.ApiKey(
        id=key.id,
        organization=key.organization,
        caller=key.caller,
        scopes=sorted(key.scopes),
        create_time=_timestamp(key.created_at),
        revoke_time=None if key.revoked_at is None else _timestamp(key.revoked_at),
    )


def _timestamp_us(time_us: int) -> Timestamp:
    found = Timestamp()
    found.FromMicroseconds(time_us)
    return found


def _timestamp(time: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(time)
    return found
