"""What a governed task says on its way: decided, chunks of the answer, concluding, concluded."""

from __future__ import annotations

from dataclasses import field

from metaqore_ai_gateway.domain.outcome import Outcome
from metaqore_governance_core.decision import Decision
from metaqore_governance_core.receipts import Receipt
from metaqore_governance_core.value_object import value_object
from metaqore_governance_core.writer_state import OpenDecision


@value_object
class Decided:
    """The decision is durable. A denial is `permitted=False`, and its outcome follows."""

    decision: Decision
    receipt: Receipt
    permitted: bool


@value_object
class Chunk:
    """Raw OpenAI JSON: one chunk of a stream, or the one whole completion."""

    data: bytes = field(repr=False)


@value_object
class Concluding:
    """Everything about the end is known; the outcome record is not durable yet."""

    outcome: Outcome


@value_object
class Concluded:
    """The outcome record is durable. Always the last event."""

    outcome: Outcome


Event = Decided | Chunk | Concluding | Concluded


@value_object
class Resumed:
    """A task that runs again under a decision it already has. `attempts` counts this run too."""

    decision: OpenDecision
    attempts: int
