"""Kept tasks, results and outcomes as the JSON that is stored, and results as they are sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from metaqore_ai_gateway.domain.kept_task import KeptTask
from metaqore_ai_gateway.domain.outcome import Outcome, Usage
from metaqore_ai_gateway.domain.task_result import TaskResult
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.residency import Locality
from metaqore_governance_core.task import TaskState


@dataclass(frozen=True, slots=True)
class _Error:
    code: str
    message: str
    kind: ErrorKind
    retryable: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _StoredOutcome:
    """An `Outcome` as it is read back: its error is no exception yet."""

    task: str
    organization: str
    receipt: str
    decision: str
    state: TaskState
    attempts: int
    duration_us: int
    usage: Usage
    model: str | None
    provider: str | None
    locality: Locality | None
    answer: Commitment | None
    error: _Error | None


def _plain(error: object) -> _Error:
    if isinstance(error, MetaQoreError):
        return _Error(error.code, error.message, error.kind, error.retryable, error.reasons)
    raise NotImplementedError


_ENCODER: Final = msgspec.json.Encoder()
_OUTCOME_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)
_KEPT: Final = msgspec.json.Decoder(KeptTask)
_RESULTS: Final = msgspec.json.Decoder(TaskResult)
_OUTCOMES: Final = msgspec.json.Decoder(_StoredOutcome)


def encode_kept(kept: KeptTask | None) -> bytes:
    """A kept task as JSON."""
    return _ENCODER.encode(kept)


def decode_kept(raw: bytes) -> KeptTask | None:
    """What `encode_kept` wrote; None for what it did not."""
    try:
        return _KEPT.decode(raw)
    except msgspec.MsgspecError:
        return None


def encode_result(result: TaskResult) -> bytes:
    """A result as JSON: what is stored and, as contract `TaskCompleted`, sent."""
    return _ENCODER.encode(result)


def decode_result(raw: bytes) -> TaskResult:
    """What `encode_result` wrote."""
    return _RESULTS.decode(raw)


def encode_outcome(outcome: Outcome) -> bytes:
    """An outcome as JSON, its error in full."""
    return _OUTCOME_ENCODER.encode(outcome)


def decode_outcome(raw: bytes) -> Outcome:
    """What `encode_outcome` wrote."""
    stored = _OUTCOMES.decode(raw)
    error = stored.error
    return Outcome(
        task=stored.task,
        organization=stored.organization,
        receipt=stored.receipt,
        decision=stored.decision,
        state=stored.state,
        attempts=stored.attempts,
        duration_us=stored.duration_us,
        usage=stored.usage,
        model=stored.model,
        provider=stored.provider,
        locality=stored.locality,
        answer=stored.answer,
        error=None
        if error is None
        else MetaQoreError(
            error.code, error.message, kind=error.kind, retryable=error.retryable, reasons=error.reasons
        ),
    )
