"""A log's rows as they are stored, before anything in them is checked."""

from __future__ import annotations

from dataclasses import dataclass

GroupKey = tuple[str, int, int]
"""A group commit: its writer, first sequence and count."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A row of the log as it is stored: nothing in it has been checked against anything else."""

    index: int
    leaf_hash: bytes
    record: bytes
    writer: str
    sequence: int
    organization_sequence: int
    kind: str
    task: str | None
    receipt: str
    group_first: int
    group_count: int
    group_path: tuple[bytes, ...]

    @property
    def group(self) -> GroupKey:
        """The group commit that attests the entry."""
        return self.writer, self.group_first, self.group_count


@dataclass(frozen=True, slots=True)
class StoredAttestation:
    """A writer's signature over a group commit as it is stored."""

    writer: str
    first_sequence: int
    count: int
    key_id: str
    root: bytes
    time_us: int
    signature: bytes

    @property
    def group(self) -> GroupKey:
        """The group commit that it attests."""
        return self.writer, self.first_sequence, self.count
