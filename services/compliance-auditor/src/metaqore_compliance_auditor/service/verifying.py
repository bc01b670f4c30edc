"""Re-reading a whole log: every entry, tile, checkpoint and number against every other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from metaqore_compliance_auditor.domain.authenticity import Trust
from metaqore_compliance_auditor.domain.edge import Tiles
from metaqore_compliance_auditor.domain.evidence import (
    ParseFacts,
    attestation_faults,
    record_faults,
    signature_faults,
    task_faults,
)
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.replay import Replay, is_full, tile_faults, tile_total
from metaqore_compliance_auditor.domain.seals import SealedCheckpoint
from metaqore_compliance_auditor.domain.stored import GroupKey, StoredAttestation, StoredEntry
from metaqore_compliance_auditor.service import metrics
from metaqore_compliance_auditor.service.ports import LogReader, Notary, TrustedWriters
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.tiles import TILE_WIDTH, Tile, tiles_of_edge

PAGE: Final = 4 * TILE_WIDTH
MAX_FAULTS: Final = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a verification is, and what it has found since it last told."""

    verified: int
    total: int
    faults: tuple[Fault, ...]
    finished: bool = False


@dataclass(frozen=True, slots=True)
class _Page:
    """All that is stored about the leaves from `start` to `end`."""

    start: int
    end: int
    entries: Sequence[StoredEntry]
    attestations: dict[GroupKey, StoredAttestation]
    tasks: Sequence[StoredEntry]
    leaf_tiles: Tiles
    checkpoints: Sequence[SealedCheckpoint]


@dataclass(frozen=True, slots=True)
class VerifyLog:
    """Checks a log up to the checkpoint that is the newest when it begins; sealing goes on beside it."""

    reader: LogReader
    notary: Notary
    writers: TrustedWriters
    parse: ParseFacts

    async def __call__(self, organization: str) -> AsyncIterator[Progress]:
        """Progress page by page, the last one `finished`. It stops early after `MAX_FAULTS`: then all is in doubt."""
        await self.writers.reread()
        newest = await self.reader.newest_checkpoint(organization)
        head = await self.reader.head(organization)  # second: a log that grows meanwhile has the larger head
        size = max(head.size if head else 0, newest.head.size if newest else 0)
        replay, found = Replay(organization), 0
        for start in range(0, size, PAGE):
            page = await self._page(organization, start, min(start + PAGE, size))
            # Hashing and signatures would hold up the event loop.
            faults, tiles = await asyncio.to_thread(self._check, replay, page, self.writers.keys)
            stored = await self.reader.tiles(organization, tiles)
            faults += tile_faults(organization, tiles, stored)
            found += len(faults)
            metrics.VERIFIED_RECORDS.inc(page.end - page.start)
            yield Progress(page.end, size, tuple(faults))
            if found >= MAX_FAULTS:
                break
        else:
            faults = [fault async for fault in self._whole(organization, size, replay)]
            yield Progress(size, size, tuple(faults), finished=True)
            return
        yield Progress(page.end, size, (), finished=True)

    async def _page(self, organization: str, start: int, end: int) -> _Page:
        reader = self.reader
        entries = [each for each in await reader.entries(organization, start, end - start) if each.index < end]
        named = {entry.task for entry in entries if entry.task is not None}
        tasks = await reader.entries_of_tasks(organization, named)
        first = {entry.task: entry.index for entry in reversed(tasks)}
        leaf_tiles = [Tile(0, index) for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH))]
        return _Page(
            start=start,
            end=end,
            entries=entries,
            attestations=await reader.attestations(organization, {entry.group for entry in entries}),
            tasks=[entry for entry in tasks if start <= first[entry.task] < end],
            leaf_tiles=await reader.tiles(organization, leaf_tiles) if len(entries) < end - start else {},
            checkpoints=[
                each for each in await reader.checkpoints(organization, start, end - start) if each.head.size <= end
            ],
        )

    def _check(self, replay: Replay, page: _Page, trust: Trust) -> tuple[list[Fault], Tiles]:
        """What is wrong in the page by itself, and its full tiles as they should be."""
        organization = replay.organization
        faults = list(self._entry_faults(organization, page, trust))
        faults += replay.number_faults(page.entries)
        hashes: list[bytes] = []
        for each in replay.whole(page.start, page.end, page.entries, page.leaf_tiles):
            if isinstance(each, Fault):
                faults.append(each)
            else:
                hashes.append(each)
        heads = {each.head.size: each.head.root for each in page.checkpoints}
        tiles, differing = replay.grow(hashes, heads)
        if differing:
            message = f"The entries do not lead to the root of the checkpoint at size {differing[0]}."
            faults.append(Fault("root_mismatch", message, organization, differing[0] - 1))
        return faults, {tile: hashes for tile, hashes in tiles.items() if is_full(hashes)}

    def _entry_faults(self, organization: str, page: _Page, trust: Trust) -> Iterator[Fault]:
        for entry in page.entries:
            yield from record_faults(organization, entry, self.parse)
            yield from attestation_faults(organization, entry, page.attestations.get(entry.group))
        for attestation in page.attestations.values():
            yield from signature_faults(organization, attestation, trust)
        yield from task_faults(organization, page.tasks, self.parse)
        for checkpoint in page.checkpoints:
            yield from self._checkpoint_faults(checkpoint)

    def _checkpoint_faults(self, checkpoint: SealedCheckpoint) -> Iterator[Fault]:
        where = (checkpoint.organization, checkpoint.head.size - 1)
        try:
            signed = self.notary.open(checkpoint.organization, checkpoint.note)
        except MetaQoreError as error:
            yield Fault("bad_checkpoint", f"The checkpoint at size {checkpoint.head.size}: {error.message}", *where)
            return
        if signed != checkpoint.head:
            message = f"The checkpoint stored at size {checkpoint.head.size} is signed over another head."
            yield Fault("checkpoint_mismatch", message, *where)

    async def _whole(self, organization: str, size: int, replay: Replay) -> AsyncIterator[Fault]:
        """What is wrong with the log as a whole: its end, its head, its writers' numbers."""
        head = await self.reader.head(organization)
        newest = await self.reader.newest_checkpoint(organization, size)
        if size == 0:
            for stray in await self.reader.entries(organization, 0, 1):
                message = "The log has entries, and neither head nor checkpoint."
                yield Fault("head_missing", message, organization, stray.index, stray.writer, stray.sequence)
            return
        if head is None or head.size < size or newest is None or newest.head.size < size:
            message = f"The head or the newest checkpoint is missing, or older than size {size}."
            yield Fault("head_mismatch", message, organization, size - 1)
        elif head.size == size and head.root != replay.head.root:
            yield Fault("head_mismatch", "The entries do not lead to the log's head.", organization, size - 1)
        end = [fault async for fault in self._end(organization, size, replay)]
        if await self.reader.head(organization) == head and (head is None or head.size <= size):
            for fault in end:  # else the log has grown meanwhile, and they mean nothing
                yield fault

    async def _end(self, organization: str, size: int, replay: Replay) -> AsyncIterator[Fault]:
        """What is wrong at the end of the log, if it has not grown since the verification began."""
        for beyond in await self.reader.entries(organization, size, 1):
            message = "An entry stands behind the head of the log."
            yield Fault("entry_beyond_head", message, organization, beyond.index, beyond.writer, beyond.sequence)
        partial = replay.edge.tiles
        stored = await self.reader.tiles(organization, tiles_of_edge(size))
        for fault in tile_faults(organization, partial, stored):
            yield fault
        if (count := await self.reader.tile_count(organization)) > tile_total(size):
            message = f"There are {count - tile_total(size)} tiles more than the log's size calls for."
            yield Fault("tile_surplus", message, organization)
        progress = await self.reader.progress(organization)
        for writer in sorted(progress.keys() | replay.progress.keys()):
            if progress.get(writer) != replay.progress.get(writer):
                message = "The writer's stored progress is not that of its last entry in the log."
                yield Fault("progress_mismatch", message, organization, None, writer)
