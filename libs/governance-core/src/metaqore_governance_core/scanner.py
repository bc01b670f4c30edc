"""What a scanner finds in a text, and what each kind of finding means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from metaqore_governance_core.sensitivity import Sensitivity

KIND_SENSITIVITY: Final[Mapping[str, Sensitivity]] = MappingProxyType(
    {
        "card": Sensitivity.SENSITIVE,
        "credential": Sensitivity.CRITICAL,
        "email": Sensitivity.SENSITIVE,
        "iban": Sensitivity.SENSITIVE,
    }
)
"""By the family of the kind, which is what stands before its first dot. Any other family counts as CRITICAL."""


def family(kind: str) -> str:
    """`credential` of `credential.aws_access_key`."""
    return kind.partition(".")[0]


def sensitivity_of(kind: str) -> Sensitivity:
    """What a finding of this kind makes of a text. A kind without a rule counts as the highest."""
    return KIND_SENSITIVITY.get(family(kind), Sensitivity.CRITICAL)


@dataclass(frozen=True, slots=True)
class Findings:
    """How often each kind was found. Never what was found."""

    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def sensitivity(self) -> Sensitivity:
        """The highest that any finding asks for; PUBLIC where there is none."""
        return max(map(sensitivity_of, self.counts), default=Sensitivity.PUBLIC)

    @property
    def holds_credential(self) -> bool:
        """Whether a credential of any sort was found, which vetoes the task."""
        # Mostly nothing is found, and this is asked several times a task.
        return bool(self.counts) and any(family(kind) == "credential" for kind in self.counts)


NOTHING_FOUND: Final = Findings()


class Scanner(Protocol):
    """Looks for what makes a text sensitive.

    - `scan` sees the whole text, counts every finding once, and keeps none of it.
    - It never answers from a part of the text: where it cannot go on, it raises, and whoever called takes the text
      for CRITICAL (`scanner_failed`).
    - Kinds are lower-case dotted names; their family, before the first dot, decides what they mean.
    """

    def scan(self, text: str | bytes) -> Findings:
        """What is in `text` (UTF-8 where it comes as bytes)."""
        ...
