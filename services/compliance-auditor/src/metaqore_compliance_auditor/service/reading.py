"""What an organization may read of its own log: records, proofs, checkpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from metaqore_compliance_auditor.domain.seals import Head, SealedCheckpoint
from metaqore_compliance_auditor.domain.stored import StoredEntry
from metaqore_compliance_auditor.service.ports import LogReader
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.merkle import ProofError
from metaqore_governance_core.proofs import ReceiptProof, RecordProof
from metaqore_governance_core.tiles import (
    consistency_path,
    inclusion_path,
    tiles_of_consistency,
    tiles_of_inclusion,
)

PAGE: Final = 256
MAX_SIZE: Final = (1 << 63) - 1
"""What the store can count."""


class NotInLogError(MetaQoreError):
    """The log does not hold it, or not yet."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message, kind=ErrorKind.NOT_FOUND)


class OutOfLogError(MetaQoreError):
    """A size or an index that the log does not have."""

    def __init__(self, message: str) -> None:
        super().__init__("out_of_log", message, kind=ErrorKind.INVALID)


@dataclass(frozen=True, slots=True)
class LogReading:
    """Reads, each scoped to the organization it names.

    `received` tells a writer's last accepted sequence; once `stopping` is set, streams that follow a log end.
    """

    reader: LogReader
    received: Callable[[str], int]
    stopping: asyncio.Event

    async def receipt(self, organization: str, receipt: str) -> ReceiptProof:
        """Decision and, once sealed, outcome, each proven under the newest checkpoint. A command counts as one."""
        found = await self.reader.entries_of_receipt(organization, receipt)
        decision = next((entry for entry in found if entry.kind in {"decision", "command"}), None)
        if decision is None:
            raise NotInLogError("receipt_not_sealed", "The log has no such receipt yet. Try again in a second.")
        same_task = (entry for entry in found if entry.kind == "outcome" and entry.task == decision.task)
        outcome = next(same_task, None)
        checkpoint = await self.checkpoint(organization)
        return ReceiptProof(
            receipt=receipt,
            decision=await self._proven(organization, decision, checkpoint),
            outcome=None if outcome is None else await self._proven(organization, outcome, checkpoint),
        )

    async def task(self, organization: str, task: str) -> list[StoredEntry]:
        """The sealed records of a task, in the log's order; none gives an empty list."""
        return await self.reader.entries_of_task(organization, task)

    async def checkpoint(self, organization: str, at_most: int | None = None) -> SealedCheckpoint:
        """The newest checkpoint, or the newest one not larger than `at_most` leaves."""
        found = await self.reader.newest_checkpoint(organization, None if at_most is None else min(at_most, MAX_SIZE))
        if found is None:
            raise NotInLogError("no_checkpoint", "The log has no such checkpoint: nothing was sealed yet at that size.")
        return found

    async def records(
        self, organization: str, *, start: int, limit: int, tail: int, follow: bool
    ) -> AsyncIterator[list[StoredEntry]]:
        """Pages of records in the log's order; with `follow`, new ones as they are sealed, until the reader leaves."""
        if tail:
            start = max(await self._size(organization) - tail, 0)
        left = limit or None
        async with self.reader.sealed(organization) as rings:
            while True:
                async for page in self._pages(organization, start, left):
                    start = page[-1].index + 1
                    left = left and left - len(page)
                    yield page
                if not follow or left == 0:
                    return
                await anext(rings)
                if self.stopping.is_set():
                    return

    async def _pages(self, organization: str, start: int, left: int | None) -> AsyncIterator[list[StoredEntry]]:
        end = await self._size(organization)
        if left is not None:
            end = min(end, start + left)
        while start < end:
            page = await self.reader.entries(organization, start, min(PAGE, end - start))
            if not page:
                return
            start = page[-1].index + 1
            yield page

    async def inclusion(self, organization: str, index: int, size: int) -> tuple[bytes, ...]:
        """The inclusion path of a leaf in the tree of that size (RFC 6962 section 2.1.1)."""
        await self._check_size(organization, size)
        if not 0 <= index < size:
            raise OutOfLogError(f"A tree of {size} leaves has no leaf {index}: ask for one from 0 on, below the size.")
        tiles = await self.reader.tiles(organization, tiles_of_inclusion(index, size))
        with _whole_tiles():
            return inclusion_path(index, size, tiles.__getitem__)

    async def consistency(self, organization: str, old: int, new: int) -> tuple[bytes, ...]:
        """The consistency path between two sizes of the log (RFC 6962 section 2.1.2)."""
        await self._check_size(organization, new)
        if old > new:
            raise OutOfLogError(f"A log does not grow from {old} to {new} leaves: give the older size first.")
        tiles = await self.reader.tiles(organization, tiles_of_consistency(old, new))
        with _whole_tiles():
            return consistency_path(old, new, tiles.__getitem__)

    async def progress(self, writer: str) -> tuple[int, int]:
        """How far the writer's records are sealed, and how far they have been received."""
        sealed = await self.reader.sealed_sequence(writer)
        return sealed, max(sealed, self.received(writer))

    async def _proven(self, organization: str, entry: StoredEntry, checkpoint: SealedCheckpoint) -> RecordProof:
        path = await self.inclusion(organization, entry.index, checkpoint.head.size)
        return RecordProof(entry.record, entry.index, path, checkpoint.note)

    async def _check_size(self, organization: str, size: int) -> None:
        if size > (known := await self._size(organization)):
            raise OutOfLogError(f"The log has {known} leaves, not {size}: ask for a size that a checkpoint gave you.")

    async def _size(self, organization: str) -> int:
        return (await self.reader.head(organization) or Head(0, b"")).size


@contextmanager
def _whole_tiles() -> Iterator[None]:
    try:
        yield
    except (KeyError, ProofError) as error:
        raise MetaQoreError(
            "log_damaged",
            "Hashes of the log are missing, so there is no proof. Run `metaqore audit verify --all` to see where.",
            kind=ErrorKind.INTERNAL,
        ) from error
