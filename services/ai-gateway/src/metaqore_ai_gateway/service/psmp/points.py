"""Moments of a project, and what lies between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from metaqore_governance_core.psmp.artifact_state import Artifact, Version


@dataclass(frozen=True, slots=True)
class AtVersion:
    """After so many events of the project."""

    version: int


@dataclass(frozen=True, slots=True)
class AtTime:
    """The last version that was committed by then, in microseconds since the Unix epoch."""

    us: int


@dataclass(frozen=True, slots=True)
class AtCheckpoint:
    """Where somebody took this checkpoint, by its name or its id."""

    name: str


Point: TypeAlias = AtVersion | AtTime | AtCheckpoint


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A version of a project that somebody gave a name.

    `id` names it in its organization. `state_digest` is the SHA-256, in hex, of the state of then in the form of
    RFC 8785.
    """

    id: str
    name: str
    version: int
    by: str
    at_us: int
    description: str = ""
    state_digest: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Artifacts as they were at that version, by name. `after` is where the next page begins, None at the end."""

    version: int
    artifacts: tuple[Artifact, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """An artifact to which something happened between two points; `before` is empty where it did not exist."""

    name: str
    before: Artifact
    after: Artifact

    @property
    def active(self) -> tuple[Version | None, Version | None]:
        """What was active before and after."""
        return self.before.active, self.after.active


@dataclass(frozen=True, slots=True)
class Differences:
    """Differences between two versions of the project, by name, with where the next page begins."""

    low: int
    high: int
    found: tuple[Difference, ...]
    after: str | None
