"""The life of a task in the log: one decision, then one outcome of the same writer that names it.

A record that breaks this is signed and numbered like any other, so it is sealed and reported: leaving it out would
hide the evidence, and its writer could never go on. A command is no task: nothing must precede or follow its record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from metaqore_compliance_auditor.domain.groups import Leaf

BREACHES: Final = frozenset(
    {
        "second_decision",
        "decision_after_outcome",
        "second_outcome",
        "outcome_without_decision",
        "decision_mismatch",
        "foreign_outcome",
        "receipt_mismatch",
    }
)
"""The codes of what a writer did, which stays in the log; every other fault is of the log itself."""

TaskKey = tuple[str, str]
"""Organization and task."""


class TaskTrail(NamedTuple):
    """What the log holds of a task: its decision's leaf hash in hex, writer and receipt, and whether it has ended."""

    decision: str | None = None
    writer: str | None = None
    receipt: str | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that a record breaks."""

    code: str
    message: str


def follow(trail: TaskTrail, leaf: Leaf) -> TaskTrail:
    """The trail after `leaf`. The first decision and the first outcome count."""
    facts = leaf.facts
    if facts.kind == "outcome":
        return TaskTrail(trail.decision, trail.writer, trail.receipt, ended=True)
    if trail.decision is not None:
        return trail
    return TaskTrail(leaf.hash.hex(), facts.writer, facts.receipt, trail.ended)


def breaches(trail: TaskTrail, leaf: Leaf) -> Iterator[Breach]:
    """The rules that `leaf` breaks, given what the log holds of its task."""
    facts = leaf.facts
    if facts.kind == "decision":
        if trail.decision is not None:
            yield Breach("second_decision", "The task has a decision already.")
        if trail.ended:
            yield Breach("decision_after_outcome", "The task has its outcome already.")
        return
    if trail.ended:
        yield Breach("second_outcome", "The task has an outcome already.")
    if trail.decision is None:
        yield Breach("outcome_without_decision", "The log holds no earlier decision of the task.")
        return
    if facts.decision != trail.decision:
        yield Breach("decision_mismatch", "The outcome names another leaf hash than its task's decision has.")
    if facts.writer != trail.writer:
        yield Breach("foreign_outcome", "The outcome is another writer's than the decision.")
    if facts.receipt != trail.receipt:
        yield Breach("receipt_mismatch", "The outcome carries another receipt than the decision.")


def walk(trails: dict[TaskKey, TaskTrail], leaf: Leaf) -> Iterator[Breach]:
    """The rules that `leaf` breaks; `trails` then holds its task's trail after it."""
    if leaf.facts.task is None:
        return
    key = (leaf.facts.organization, leaf.facts.task)
    trail = trails.get(key, TaskTrail())
    found = tuple(breaches(trail, leaf))
    trails[key] = follow(trail, leaf)
    yield from found
