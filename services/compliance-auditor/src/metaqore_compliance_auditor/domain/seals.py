"""What one seal adds to an organization's log, all of it committed together or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from metaqore_compliance_auditor.domain.edge import Tiles
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.groups import Leaf
from metaqore_governance_core.group import GroupHead


class Head(NamedTuple):
    """A log's size and its root (RFC 6962 section 2.1)."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Attestation:
    """The writer's signature over a group commit."""

    head: GroupHead
    signature: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in its log. `path` leads from its leaf hash to the root of the group commit that attests it."""

    index: int
    leaf: Leaf
    attestation: Attestation
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SealedCheckpoint:
    """A signed note (C2SP tlog-checkpoint) over `head`. `sealed_at_us` is microseconds since the Unix epoch."""

    organization: str
    head: Head
    note: str
    sealed_at_us: int


@dataclass(frozen=True, slots=True)
class LogSeal:
    """One organization's share of a seal. `progress`: by writer, its last sequence and its number here."""

    before: Head
    checkpoint: SealedCheckpoint
    entries: tuple[Entry, ...]
    tiles: Tiles
    progress: Mapping[str, tuple[int, int]]
    faults: tuple[Fault, ...]

    @property
    def organization(self) -> str:
        """Whose log it is."""
        return self.checkpoint.organization
