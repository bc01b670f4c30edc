"""A command that is not allowed: the code is stable, the sentence says what to do instead."""

from __future__ import annotations

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.conflicts.model import Conflict


class PsmpRefusedError(MetaQoreError):
    """A decider's refusal. `kind` is precondition (the state forbids it) or forbidden (who asks may not).

    `conflicts` are those that stand in the way.
    """

    conflicts: tuple[Conflict, ...] = ()


def blocked(conflicts: tuple[Conflict, ...]) -> PsmpRefusedError:
    """Conflicts stand in the way: who, what, and how to resolve each."""
    told = " ".join(one.explanation for one in conflicts)
    error = conflict(
        "artifact_blocked", f"Resolve these conflicts first: {told}", reasons=tuple(one.id for one in conflicts)
    )
    error.conflicts = conflicts
    return error


def warned(conflicts: tuple[Conflict, ...]) -> PsmpRefusedError:
    """Warnings are open, and nobody answers for them."""
    told = " ".join(one.explanation for one in conflicts)
    error = conflict(
        "warnings_open",
        f"Somebody must answer for these warnings first: {told}",
        reasons=tuple(one.id for one in conflicts),
    )
    error.conflicts = conflicts
    return error


def conflict(code: str, message: str, *, reasons: tuple[str, ...] = ()) -> PsmpRefusedError:
    """The state forbids the command."""
    return PsmpRefusedError(code, message, kind=ErrorKind.PRECONDITION, reasons=reasons)


def forbidden(code: str, message: str, *, reasons: tuple[str, ...] = ()) -> PsmpRefusedError:
    """The state would allow the command, but not from this actor."""
    return PsmpRefusedError(code, message, kind=ErrorKind.FORBIDDEN, reasons=reasons)
