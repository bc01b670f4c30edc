"""Two agents that hold one task: whoever proposes for a task must be who holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from metaqore_governance_core.psmp.conflicts.model import (
    Choice,
    Conflict,
    ConflictType,
    Party,
    Severity,
    listed,
    make_conflict,
)

_LEASE: Final = "task "


@dataclass(frozen=True, slots=True)
class TaskHold:
    """That an agent works on a task: by a lease from `from_us` to `until_us`, or by a proposal at that moment.

    None is without end. The party of a lease is the task, see `lease_of`.
    """

    party: Party
    task: str
    agent: str
    from_us: int = 0
    until_us: int | None = None

    @property
    def is_lease(self) -> bool:
        """Whether it is a lease, and no proposal."""
        return is_lease(self.party.artifact)

    def overlaps(self, other: TaskHold) -> bool:
        """Whether both hold at some moment."""
        begins = max(self.from_us, other.from_us)
        return all(one.until_us is None or begins < one.until_us for one in (self, other))


def lease_of(task: str) -> str:
    """What stands for the lease on a task where artifacts have their names."""
    return f"{_LEASE}{task}"


def is_lease(party: str) -> bool:
    """Whether it names the lease on a task, and no artifact: those may not be named so."""
    return party.startswith(_LEASE)


def ownership_conflicts(holds: Sequence[TaskHold]) -> list[Conflict]:
    """One conflict for each task that two agents hold at once."""
    by_task: dict[str, list[TaskHold]] = {}
    for hold in holds:
        by_task.setdefault(hold.task, []).append(hold)
    found: list[Conflict] = []
    for task, held in sorted(by_task.items()):
        pair = _two_agents(held)
        if pair is not None:
            clashing = tuple(one.party for one in pair)
            found.append(
                make_conflict(
                    ConflictType.TASK_OWNERSHIP,
                    Severity.BLOCKING,
                    f"task:{task}",
                    parties=tuple(one.party for one in held),
                    clashing=clashing,
                    suggestion=Choice.KEEP_EXISTING,
                    explanation=(
                        f"{_how(task, pair)}: {listed(clashing)}. Wait until the lease ends, have the task released, "
                        "or open a task of its own for one of them."
                    ),
                )
            )
    return found


def _how(task: str, pair: tuple[TaskHold, TaskHold]) -> str:
    """Who proposed for whose task: also when the lease has ended since, it is told as it was."""
    holder = next((one for one in pair if one.is_lease), None)
    if holder is None:
        return f"{' and '.join(sorted(one.agent for one in pair))} proposed for the task {task} at once"
    other = pair[0] if holder is pair[1] else pair[1]
    return f"{other.agent} proposed for the task {task} while {holder.agent} held it"


def _two_agents(held: Sequence[TaskHold]) -> tuple[TaskHold, TaskHold] | None:
    for at, one in enumerate(held):
        for other in held[at + 1 :]:
            if one.agent != other.agent and one.overlaps(other):
                return one, other
    return None
