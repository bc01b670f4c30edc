"""How much work one declaration may make: what can grow is counted, and refused before it holds up everybody else.

A step is about a microsecond of one processor. Outside `bounded_effort` nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

MAX_STEPS: Final = 90_000
TOO_COMPLEX: Final = "requirements_too_complex"


class Effort:
    """What is left of the steps of one piece of work."""

    __slots__ = ("left",)

    def __init__(self, steps: int) -> None:
        self.left = steps


_EFFORT: Final[ContextVar[Effort | None]] = ContextVar("psmp_effort", default=None)


@contextmanager
def bounded_effort(steps: int = MAX_STEPS) -> Iterator[Effort]:
    """Within, `spend` counts and refuses what takes more than `steps`. One within another has its own."""
    effort = Effort(steps)
    before = _EFFORT.set(effort)
    try:
        yield effort
    finally:
        _EFFORT.reset(before)


def spend(steps: int) -> None:
    """Count work before it is done. Raises `MetaQoreError` `requirements_too_complex`."""
    effort = _EFFORT.get()
    if effort is None:
        return
    effort.left -= steps
    if effort.left < 0:
        raise MetaQoreError(
            TOO_COMPLEX,
            "What this declares takes too long to compare. Declare less at once, with fewer alternatives and markers.",
            kind=ErrorKind.UNPROCESSABLE,
        )
