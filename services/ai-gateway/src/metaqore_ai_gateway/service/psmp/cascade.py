"""Ending everything in a project, each through every state between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.governed import Answer
from metaqore_governance_core.psmp import artifact_commands, work
from metaqore_governance_core.psmp.project import Archive

CASCADED = "project_archived"
"""Why a task was cancelled that its project's end ended."""


def ending(open_refs: Iterable[Ref], archive: Archive) -> Iterator[Asked]:
    """What ends each of these before its project."""
    by, at_us, why = archive.by, archive.at_us, archive.why
    for ref in open_refs:
        if ref.kind is Kind.ARTIFACT:
            yield Asked(ref, artifact_commands.Retire(by, at_us, why))
        elif ref.kind is Kind.TASK:
            yield Asked(ref, work.Cancel(by, at_us, CASCADED))


def ended_of(answer: Answer) -> tuple[str, ...]:
    """What was ended beside the project, as `artifact <id>` and `task <id>`."""
    return tuple(f"{one.ref.kind} {one.id}" for one in answer.changed if one.ref.kind is not Kind.PROJECT)
