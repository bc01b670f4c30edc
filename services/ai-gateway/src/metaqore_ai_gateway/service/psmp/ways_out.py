"""What a refusal tells beside its sentence: the conflicts behind it, and the commands that would help."""

from __future__ import annotations

import shlex

from metaqore_ai_gateway.service.psmp.governed import Given
from metaqore_ai_gateway.service.psmp.target import Target
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.blocking_report import WayOut
from metaqore_governance_core.psmp.conflicts.model import Choice, Conflict
from metaqore_governance_core.psmp.refusal import PsmpRefusedError
from metaqore_governance_core.psmp.resolution import possible_choices


def conflicts_behind(error: MetaQoreError) -> tuple[Conflict, ...]:
    """The conflicts that stand in the way."""
    return error.conflicts if isinstance(error, PsmpRefusedError) else ()


def ways_out_of(conflicts: tuple[Conflict, ...], given: Given, target: Target) -> tuple[WayOut, ...]:
    """Commands to paste. What was refused as a whole left no version whose conflicts could be resolved."""
    version = getattr(given.command, "version", None)
    if not isinstance(version, int):
        return ()
    of = f"{target.ref.id}@{version}"
    return tuple(WayOut(_resolve(one, choice, of), "who may resolve") for one in conflicts for choice in _choices(one))


def _choices(conflict: Conflict) -> tuple[Choice, ...]:
    return possible_choices(conflict) if conflict.blocks else (Choice.MANUAL,)


def _resolve(conflict: Conflict, choice: Choice, of: str) -> str:
    words = ["metaqore", "conflict", "resolve", conflict.id, choice.value, "--for", of]
    return shlex.join(words) + ' --why "…"'
