"""How a task ended."""

from __future__ import annotations

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.residency import Locality
from metaqore_governance_core.task import TaskState
from metaqore_governance_core.value_object import value_object


@value_object
class Usage:
    """What a provider says it spent. None where it did not say."""

    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@value_object
class Outcome:
    """The end of a task, as its outcome record will say it, and the error that its caller is to see.

    `receipt` is the receipt's id and `decision` the leaf hash of the decision record, in hex.
    """

    task: str
    organization: str
    receipt: str
    decision: str
    state: TaskState
    attempts: int
    duration_us: int
    usage: Usage = Usage()
    model: str | None = None
    provider: str | None = None
    locality: Locality | None = None
    answer: Commitment | None = None
    error: MetaQoreError | None = None
