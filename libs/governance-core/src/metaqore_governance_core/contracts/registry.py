"""Every event there is, and which service sends and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from metaqore_governance_core.contracts.audit import AuditRecorded, CheckpointSealed
from metaqore_governance_core.contracts.event import Event
from metaqore_governance_core.contracts.psmp import CommandAnswered, CommandSubmitted, ProjectChanged
from metaqore_governance_core.contracts.tasks import TaskCompleted, TaskFinished, TaskStarted, TaskSubmitted

EVENTS: Final[tuple[type[Event], ...]] = (
    TaskSubmitted,
    TaskCompleted,
    TaskStarted,
    TaskFinished,
    AuditRecorded,
    CheckpointSealed,
    CommandSubmitted,
    CommandAnswered,
    ProjectChanged,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A service's share of the topics. What it cannot read goes to the dead letters of its name."""

    title: str
    description: str
    reads: tuple[type[Event], ...]
    sends: tuple[type[Event], ...]


PARTS: Final[dict[str, Part]] = {
    "ai-gateway": Part(
        title="MetaQore AI Gateway",
        description="Takes tasks and commands, answers with results, and tells what happens to every task and in every "
        "project. Ships audit records.",
        reads=(TaskSubmitted, CommandSubmitted),
        sends=(TaskCompleted, TaskStarted, TaskFinished, CommandAnswered, ProjectChanged, AuditRecorded),
    ),
    "compliance-auditor": Part(
        title="MetaQore Compliance Auditor",
        description="Seals audit records into one log for each organization, and publishes the signed checkpoints.",
        reads=(AuditRecorded,),
        sends=(CheckpointSealed,),
    ),
}
