"""Segments: the files of a spool, each with the writer's state before its first record at its head."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from metaqore_governance_core.writer_state import WriterState
from metaqore_mesh.spool.errors import SpoolCorrupt
from metaqore_mesh.spool.frames import HEAD_BYTES, frame_bytes, frames
from metaqore_mesh.spool.groups import StoredGroup, stored_group

_FORMAT: Final = "metaqore-spool/v1"
_SUFFIX: Final = ".seg"
_encode: Final = msgspec.json.Encoder().encode


class _Header(msgspec.Struct):
    format: str
    state: msgspec.Raw
    writer: str


_decode_header: Final = msgspec.json.Decoder(_Header).decode


@dataclass(slots=True)
class Segment:
    """A file whose records begin at `first_sequence`. Its frames up to `end`, in bytes, are durable."""

    first_sequence: int
    path: Path
    end: int


def segment_path(directory: Path, first_sequence: int) -> Path:
    """The name tells the first sequence, so that names sort as records do."""
    return directory / f"{first_sequence:020d}{_SUFFIX}"


def segment_paths(directory: Path) -> list[Path]:
    """The segments of a spool, oldest first."""
    return sorted(directory.glob(f"*{_SUFFIX}"))


def header(writer: str, state: WriterState) -> bytes:
    """The payload of a segment's first frame."""
    return _encode(_Header(_FORMAT, msgspec.Raw(_encode(state)), writer))


def state_in(payload: bytes, writer: str) -> WriterState:
    """The state in a header. Raises `ValueError`, which says in a few words why it is not one of this writer."""
    try:
        found = _decode_header(payload)
        if found.format != _FORMAT:
            raise ValueError(f"its format is {found.format}, not {_FORMAT}")
        if found.writer != writer:
            raise ValueError(f"it belongs to the writer {found.writer}, and the writer key to {writer}")
        return WriterState.from_json(bytes(found.state))
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise ValueError("it has no header") from error


def read_groups(segment: Segment, offset: int, end: int, most_bytes: int) -> tuple[list[StoredGroup], int]:
    """Whole groups from `offset` on, about `most_bytes` of them but at least one; and where the next begins. Blocks.

    `offset` 0 is the header, which is passed over. Raises `SpoolCorrupt`, `FileNotFoundError`.
    """
    with segment.path.open("rb") as file:
        if offset == 0:
            offset = frame_bytes(_read(segment, file.fileno(), HEAD_BYTES, 0, end))
        if offset == end:
            return [], end
        size = min(most_bytes, end - offset)
        size = max(size, frame_bytes(_read(segment, file.fileno(), HEAD_BYTES, offset, end)))
        content = _read(segment, file.fileno(), size, offset, end)
    found = list(_groups(segment, content, offset))
    if not found:
        raise SpoolCorrupt(segment.path, offset, "its frame does not fit its checksum")
    return [group for _, group in found], found[-1][0]


def _groups(segment: Segment, content: bytes, base: int) -> Iterator[tuple[int, StoredGroup]]:
    """Each group, with the offset behind it."""
    for offset, payload in frames(content):
        group = stored_group(payload)
        if group is None:
            raise SpoolCorrupt(segment.path, base + offset, "the frame holds no group")
        yield base + offset + HEAD_BYTES + len(payload), group


def _read(segment: Segment, descriptor: int, size: int, offset: int, end: int) -> bytes:
    content = os.pread(descriptor, size, offset) if offset + size <= end else b""
    if len(content) < size:
        raise SpoolCorrupt(segment.path, offset, "the frame is cut off")
    return content
