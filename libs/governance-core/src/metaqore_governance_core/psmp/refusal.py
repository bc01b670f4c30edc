"""A command that is not allowed: the code is stable, the sentence says what to do instead."""

from __future__ import annotations

from metaqore_governance_core.errors import ErrorKind, MetaQoreError


class PsmpRefusedError(MetaQoreError):
    """A decider's refusal. `kind` is precondition (the state forbids it) or forbidden (who asks may not)."""


def conflict(code: str, message: str, *, reasons: tuple[str, ...] = ()) -> PsmpRefusedError:
    """The state forbids the command."""
    return PsmpRefusedError(code, message, kind=ErrorKind.PRECONDITION, reasons=reasons)


def forbidden(code: str, message: str, *, reasons: tuple[str, ...] = ()) -> PsmpRefusedError:
    """The state would allow the command, but not from this actor."""
    return PsmpRefusedError(code, message, kind=ErrorKind.FORBIDDEN, reasons=reasons)
