"""Rows of the logs' tables, from and to what the domain knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import asyncpg

from metaqore_compliance_auditor.domain.edge import split_hashes
from metaqore_compliance_auditor.domain.faults import Fault
from metaqore_compliance_auditor.domain.seals import Head, LogSeal, SealedCheckpoint
from metaqore_compliance_auditor.domain.stored import StoredAttestation, StoredEntry

Row = tuple[Any, ...]

ENTRY_COLUMNS: Final = (
    "organization",
    "leaf_index",
    "leaf_hash",
    "record",
    "kind",
    "task",
    "receipt",
    "writer",
    "sequence",
    "organization_sequence",
    "group_first",
    "group_count",
    "group_path",
)
INSERT_ATTESTATION: Final = """
    INSERT INTO attestations (organization, writer, first_sequence, count, key_id, root, time_us, signature)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
UPSERT_TILE: Final = """
    INSERT INTO tiles (organization, level, tile_number, hashes) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organization, level, tile_number) DO UPDATE SET hashes = excluded.hashes
"""
UPSERT_PROGRESS: Final = """
    INSERT INTO writer_progress (organization, writer, sequence, organization_sequence) VALUES ($1, $2, $3, $4)
    ON CONFLICT (writer, organization) DO UPDATE
    SET sequence = excluded.sequence, organization_sequence = excluded.organization_sequence
"""
INSERT_CHECKPOINT: Final = """
    INSERT INTO checkpoints (organization, size, root, note, sealed_at_us) VALUES ($1, $2, $3, $4, $5)
"""
INSERT_FAULT: Final = """
    INSERT INTO faults (organization, code, message, leaf_index, writer, sequence, found_at_us)
    VALUES ($1, $2, $3, $4, $5, $6, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
    ON CONFLICT DO NOTHING
"""


def entries(seals: Iterable[LogSeal]) -> Iterator[Row]:
    """Rows of `entries`, in the order of `ENTRY_COLUMNS`."""
    for seal in seals:
        organization = seal.organization
        for entry in seal.entries:
            leaf, head = entry.leaf, entry.attestation.head
            facts = leaf.facts
            yield (
                organization,
                entry.index,
                leaf.hash,
                leaf.record,
                facts.kind,
                facts.task,
                facts.receipt,
                facts.writer,
                facts.sequence,
                facts.organization_sequence,
                head.first_sequence,
                head.count,
                b"".join(entry.path),
            )


def attestations(seals: Iterable[LogSeal]) -> list[Row]:
    """Parameters of `INSERT_ATTESTATION`: one for each group and organization."""
    found: dict[Row, Row] = {}
    for seal in seals:
        for attestation in {id(entry.attestation): entry.attestation for entry in seal.entries}.values():
            head = attestation.head
            key = (seal.organization, head.writer, head.first_sequence, head.count)
            if key not in found:
                root = bytes.fromhex(head.root)
                found[key] = (*key, head.key_id, root, head.time_us, attestation.signature)
    return list(found.values())


def tiles(seals: Iterable[LogSeal]) -> list[Row]:
    """Parameters of `UPSERT_TILE`."""
    return [
        (seal.organization, tile.level, tile.number, b"".join(hashes))
        for seal in seals
        for tile, hashes in seal.tiles.items()
    ]


def progress(seals: Iterable[LogSeal]) -> list[Row]:
    """Parameters of `UPSERT_PROGRESS`."""
    return [(seal.organization, writer, *numbers) for seal in seals for writer, numbers in seal.progress.items()]


def checkpoints(seals: Iterable[LogSeal]) -> list[Row]:
    """Parameters of `INSERT_CHECKPOINT`."""
    return [
        (each.organization, each.head.size, each.head.root, each.note, each.sealed_at_us)
        for each in (seal.checkpoint for seal in seals)
    ]


def faults_of(seals: Iterable[LogSeal]) -> list[Fault]:
    """The faults that the seals carry."""
    return [fault for seal in seals for fault in seal.faults]


def faults(found: Sequence[Fault]) -> list[Row]:
    """Parameters of `INSERT_FAULT`."""
    return [(each.organization, each.code, each.message, each.leaf_index, each.writer, each.sequence) for each in found]


def checkpoint_from(row: asyncpg.Record) -> SealedCheckpoint:
    """A row of `checkpoints`."""
    return SealedCheckpoint(row["organization"], Head(row["size"], row["root"]), row["note"], row["sealed_at_us"])


def entry_from(row: asyncpg.Record) -> StoredEntry:
    """A row of `entries`."""
    return StoredEntry(
        index=row["leaf_index"],
        leaf_hash=row["leaf_hash"],
        record=row["record"],
        writer=row["writer"],
        sequence=row["sequence"],
        organization_sequence=row["organization_sequence"],
        kind=row["kind"],
        task=None if row["task"] is None else str(row["task"]),
        receipt=str(row["receipt"]),
        group_first=row["group_first"],
        group_count=row["group_count"],
        group_path=split_hashes(row["group_path"]),
    )


def attestation_from(row: asyncpg.Record) -> StoredAttestation:
    """A row of `attestations`."""
    return StoredAttestation(
        writer=row["writer"],
        first_sequence=row["first_sequence"],
        count=row["count"],
        key_id=row["key_id"],
        root=row["root"],
        time_us=row["time_us"],
        signature=row["signature"],
    )
