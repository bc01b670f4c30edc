"""A claimed task: what is remembered of a task that came over the bus, from its claim to its result."""

from __future__ import annotations

from enum import StrEnum

from metaqore_ai_gateway.domain.kept_task import KeptTask
from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_ai_gateway.domain.task_result import RequestName, TaskResult
from metaqore_governance_core.identity import Caller
from metaqore_governance_core.value_object import value_object


class ClaimState(StrEnum):
    """Where a claim stands. `concluded`: result and outcome are stored, the outcome may not be recorded yet."""

    CLAIMED = "claimed"
    CONCLUDED = "concluded"
    DONE = "done"


@value_object
class Origin:
    """What makes a task's event the same event when it comes again: who sent it, from where, and its id there."""

    organization: str
    source: str
    event_id: str

    @property
    def request(self) -> RequestName:
        """How a result names the event."""
        return RequestName(self.source, self.event_id)


@value_object
class Claim:
    """A task that is ours to finish. `reply_key` is the key that its result will have.

    `kept` is what may be stored of the task. None where an older version stored it, in a way that is no longer read.
    """

    origin: Origin
    task: str
    caller: Caller
    reply_key: bytes
    kept: KeptTask | None


@value_object
class Standing:
    """A claim that was there before. `result` is None until it is concluded, and again once it is too old.

    `kept` is there only while the claim is `claimed`, `outcome` only while it is `concluded`.
    """

    origin: Origin
    task: str
    writer: str
    state: ClaimState
    caller: Caller
    reply_key: bytes
    attempts: int
    kept: KeptTask | None = None
    result: TaskResult | None = None
    outcome: Outcome | None = None
