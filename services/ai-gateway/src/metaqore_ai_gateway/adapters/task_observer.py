"""What is told about tasks: Prometheus metrics, one log line for each, and the trace they belong to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from metaqore_ai_gateway.domain.chat import ChatTask
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_governance_core.decision import Decision
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import Caller
from metaqore_mesh.telemetry.logging import tell
from metaqore_mesh.telemetry.metrics import DURATION_BUCKETS_S, Children
from metaqore_mesh.telemetry.tallies import CounterTally, HistogramTally
from metaqore_mesh.telemetry.tracing import carrier, enabled

_TASKS: Final = CounterTally(
    "metaqore_gateway_tasks", "Tasks that ended, by door, state and sensitivity.", ["door", "state", "sensitivity"]
)
_ABANDONED: Final = Children(
    Counter(
        "metaqore_gateway_tasks_abandoned_total",
        "Tasks that ended without a durable record, by reason.",
        ["door", "code"],
    )
)
_REFUSED: Final = Children(
    Counter(
        "metaqore_gateway_requests_refused_total", "Requests refused before any decision, by reason.", ["door", "code"]
    )
)
_DENIALS: Final = Children(Counter("metaqore_gateway_denials_total", "Denials, by reason.", ["reason"]))
_SECONDS: Final = HistogramTally(
    "metaqore_gateway_task_duration_seconds",
    "From acceptance to the durable outcome.",
    ["door"],
    buckets=DURATION_BUCKETS_S,
)
_FIRST_SECONDS: Final = Children(
    Histogram(
        "metaqore_gateway_first_chunk_seconds",
        "From acceptance to the first chunk of a stream.",
        ["door"],
        buckets=DURATION_BUCKETS_S,
    )
)
_TOKENS: Final = CounterTally("metaqore_gateway_tokens", "Tokens, by model and direction.", ["model", "type"])
_RUNNING: Final = Gauge("metaqore_gateway_running_tasks", "Tasks that run now.")


def tell_running(running: Callable[[], int]) -> None:
    """Ask `running` for the number of running tasks whenever metrics are read."""
    _RUNNING.set_function(running)


_log = structlog.get_logger()


def count_refused(door: str, error: MetaQoreError) -> None:
    """Count a request that was refused before any decision. It is not recorded: strangers cannot fill the log."""
    _REFUSED[door, error.code].inc()


class _TaskEnded(msgspec.Struct, omit_defaults=True, gc=False):
    """The log line of a task. `model` and `provider` are names from the configuration."""

    event: str
    task: str
    receipt: str
    organization: str
    caller: str
    door: str
    model: str
    sensitivity: str
    provider: str | None
    duration_us: int
    prompt_tokens: int | None
    completion_tokens: int | None
    error: str | None = None
    reasons: tuple[str, ...] = ()
    attempts: int = 1


class TelemetryObserver:
    """The port `TaskObserver`."""

    def observe(self, caller: Caller, task: ChatTask) -> TelemetryObservation:
        """Begin to observe a task."""
        return TelemetryObservation(caller, task)


class TelemetryObservation:
    """The port `Observation`: one log line when the task has ended."""

    __slots__ = ("_caller", "_decision", "_now", "_receipt", "_started", "_task")

    def __init__(self, caller: Caller, task: ChatTask) -> None:
        self._caller = caller
        self._task = task
        self._decision: Decision | None = None
        self._receipt: str | None = None
        self._now = asyncio.get_running_loop().time
        self._started = self._now()

    @property
    def traceparent(self) -> str | None:
        """The current span's; where traces are off, what the caller sent."""
        return carrier().get("traceparent") if enabled() else self._task.envelope.traceparent

    def decided(self, decision: Decision, receipt: str) -> None:
        """Count a denial's reasons."""
        self._decision = decision
        self._receipt = receipt
        if not decision.permitted:
            for reason in decision.reasons:
                _DENIALS[reason,].inc()

    def answered(self) -> None:
        """The time to the first chunk."""
        _FIRST_SECONDS[self._task.door,].observe(self._now() - self._started)

    def concluded(self, outcome: Outcome) -> None:
        """The task's metrics and its log line."""
        task, decision, usage = self._task, self._decision, outcome.usage
        # Plain strings: an enum member hashes and compares at Python's pace.
        door, state = str(task.door), str(outcome.state)
        sensitivity = decision.sensitivity.name if decision else "resumed"
        _TASKS.counts[door, state, sensitivity] += 1
        _SECONDS.observe((door,), self._now() - self._started)
        if usage.prompt_tokens:
            _TOKENS.counts[task.model, "input"] += usage.prompt_tokens
        if usage.completion_tokens:
            _TOKENS.counts[task.model, "output"] += usage.completion_tokens
        tell(
            _TaskEnded(
                event=_EVENTS.get(state, "task.ended"),
                task=task.envelope.id,
                receipt=outcome.receipt,
                organization=outcome.organization,
                caller=self._caller.id,
                door=door,
                model=task.model,
                sensitivity=sensitivity,
                provider=outcome.provider,
                duration_us=outcome.duration_us,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                error=None if outcome.error is None else outcome.error.code,
                reasons=() if decision is None or decision.permitted else decision.reasons,
                attempts=outcome.attempts,
            )
        )

    def abandoned(self, error: BaseException) -> None:
        """Count it, and say why in the log."""
        code = error.code if isinstance(error, MetaQoreError) else type(error).__name__
        _ABANDONED[self._task.door, code].inc()
        _log.warning(
            "task.abandoned",
            task=self._task.id,
            receipt=self._receipt,
            organization=self._caller.organization,
            door=self._task.door,
            error=code,
        )


_EVENTS: Final = {
    "done": "task.completed",
    "denied": "task.denied",
    "failed": "task.failed",
    "cancelled": "task.cancelled",
    "interrupted": "task.interrupted",
}
