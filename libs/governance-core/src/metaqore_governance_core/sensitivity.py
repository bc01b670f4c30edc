"""How far a text may travel."""

from __future__ import annotations

from enum import IntEnum

from metaqore_governance_core.errors import MetaQoreError


class Sensitivity(IntEnum):
    """From PUBLIC, which may go anywhere, to CRITICAL. A sum of opinions is their maximum."""

    PUBLIC = 0
    INTERNAL = 1
    SENSITIVE = 2
    CRITICAL = 3

    @classmethod
    def parse(cls, name: str) -> Sensitivity:
        """The level of that name, in any case. Raises `MetaQoreError` `sensitivity_unknown`."""
        level = cls.__members__.get(name.strip().upper())
        if level is None:
            raise MetaQoreError("sensitivity_unknown", f"Use one of these sensitivities: {', '.join(cls.__members__)}.")
        return level
