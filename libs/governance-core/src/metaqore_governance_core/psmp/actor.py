"""Who gives a command, and with which roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller by its name. `roles` are those that the organization gave it, never those that it claims."""

    name: str
    roles: frozenset[str] = frozenset()


SYSTEM: Final = Actor("metaqore")
"""The mesh itself: what happens because a conflict is gone or a time is over."""
