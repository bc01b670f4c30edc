"""What the use cases need of the outside, and what they may rely on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from metaqore_compliance_auditor.domain.admission import WriterPosition
from metaqore_compliance_auditor.domain.authenticity import Trust
from metaqore_compliance_auditor.domain.edge import Tiles
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.protocol import TaskKey, TaskTrail
from metaqore_compliance_auditor.domain.seals import Head, LogSeal, SealedCheckpoint
from metaqore_compliance_auditor.domain.stored import GroupKey, StoredAttestation, StoredEntry
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.tiles import Tile


class StoreUnavailableError(MetaQoreError):
    """The store does not answer, or this process has lost the right to seal. What was not committed is not there."""

    def __init__(self, message: str) -> None:
        super().__init__("log_store_unavailable", message, kind=ErrorKind.UNAVAILABLE, retryable=True)


class HeadMovedError(StoreUnavailableError):
    """Another sealer has extended a log since it was read. Nothing of the seal was committed."""


class Tenure(Protocol):
    """The right to seal, for as long as the block that gave it runs. Used by one task at a time, `leaf_hashes` and
    `open_log` apart.
    """

    async def lost(self) -> None:
        """Returns once the right is gone, as far as that can be noticed without using it."""

    async def positions(self) -> dict[str, WriterPosition]:
        """How far each writer's records are sealed."""

    async def leaf_hashes(self, writer: str, sequences: range) -> dict[int, bytes]:
        """The leaf hashes of the sealed records with these sequences."""

    async def trails(self, tasks: Iterable[TaskKey]) -> dict[TaskKey, TaskTrail]:
        """What the logs hold of these tasks; a task without records may be left out."""

    async def commit(self, seals: Sequence[LogSeal]) -> None:
        """Commit all of it durably, or nothing. Each head is compared and swapped; no seal overwrites another.

        Raises `HeadMovedError` where one does not follow, `StoreUnavailableError` where the outcome may be unknown.
        """

    async def unpublished(self, limit: int) -> list[SealedCheckpoint]:
        """Committed checkpoints that are not marked as published, each log's in the order of their sizes."""

    async def mark_published(self, sizes: Mapping[str, int]) -> None:
        """Each organization's checkpoints up to this size are published."""


class SealStore(Protocol):
    """Where the logs live. At most one process in the mesh holds the tenure."""

    def tenure(self) -> AbstractAsyncContextManager[Tenure]:
        """Waits until the right to seal is free. Leaving the block gives it back."""


class LogReader(Protocol):
    """Reads of the logs; everything is scoped to one organization. Any number of processes may read."""

    async def organizations(self) -> list[str]:
        """Every organization with a log."""

    async def head(self, organization: str) -> Head | None:
        """The committed head; None for a log that has no records."""

    async def newest_checkpoint(self, organization: str, at_most: int | None = None) -> SealedCheckpoint | None:
        """The checkpoint of the largest size, up to `at_most`."""

    async def checkpoints(self, organization: str, after: int, limit: int) -> list[SealedCheckpoint]:
        """Checkpoints larger than `after`, by size."""

    async def tiles(self, organization: str, wanted: Iterable[Tile]) -> Tiles:
        """Those of the wanted tiles that are stored."""

    async def tile_count(self, organization: str) -> int:
        """How many tiles the log has."""

    async def entries(self, organization: str, start: int, limit: int) -> list[StoredEntry]:
        """Up to `limit` entries with an index of `start` or more, by index."""

    async def entries_of_receipt(self, organization: str, receipt: str) -> list[StoredEntry]:
        """The entries that carry this receipt id (a UUID), by index."""

    async def entries_of_task(self, organization: str, task: str) -> list[StoredEntry]:
        """The entries of this task (a UUID), by index."""

    async def entries_of_tasks(self, organization: str, tasks: Iterable[str]) -> list[StoredEntry]:
        """All entries of these tasks, by index."""

    async def attestations(self, organization: str, groups: Iterable[GroupKey]) -> dict[GroupKey, StoredAttestation]:
        """The attestations of these groups (writer, first sequence, count)."""

    async def progress(self, organization: str) -> dict[str, tuple[int, int]]:
        """By writer, the last sequence and the last number in the organization."""

    async def sealed_sequence(self, writer: str) -> int:
        """The writer's last sealed sequence over all logs; 0 for none."""

    async def writers(self) -> dict[str, int]:
        """Every writer with its last sealed sequence."""

    async def sequence_gaps(self, writer: str, sequences: range) -> list[range]:
        """Which of these sequences are in no log, as runs."""

    def sealed(self, organization: str) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Gives an item whenever the log may have grown, whichever process has sealed it."""


class FaultBook(Protocol):
    """Where faults are kept, each once."""

    async def record(self, faults: Sequence[Fault]) -> int:
        """Keep those that are new; gives how many were."""

    async def count(self) -> int:
        """How many are kept."""


class TrustedWriters(Protocol):
    """The keys that may sign records."""

    @property
    def keys(self) -> Trust:
        """The trusted keys by id, as last read."""

    async def reread(self) -> None:
        """Look for new keys. Cheap enough to call for each unknown key id."""


class Notary(Protocol):
    """Signs and opens checkpoints with the log's key."""

    def sign(self, organization: str, head: Head) -> str:
        """The signed note (C2SP tlog-checkpoint) over `head`."""

    def open(self, organization: str, note: str) -> Head:
        """The head that `note` attests. Raises `MetaQoreError` where it is not this log's note."""


class CheckpointFeed(Protocol):
    """Where committed checkpoints are announced."""

    async def publish(self, checkpoint: SealedCheckpoint) -> None:
        """Returns once the broker has it."""
