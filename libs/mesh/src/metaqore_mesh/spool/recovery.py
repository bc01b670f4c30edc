"""Recovery: what a spool holds after a crash, and the one thing that may be cut off, a torn last frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from metaqore_governance_core.merkle import leaf_hash
from metaqore_governance_core.writer_state import RecordOutOfOrderError, WriterState
from metaqore_mesh.spool.disk import UNFINISHED, Disk
from metaqore_mesh.spool.errors import SpoolCorrupt, SpoolUnreadable
from metaqore_mesh.spool.frames import HEAD_BYTES, frame, frames, next_frame
from metaqore_mesh.spool.groups import GROUP_OPENING, stored_group
from metaqore_mesh.spool.record_codec import decode_record, records_in
from metaqore_mesh.spool.segments import Segment, header, segment_path, segment_paths, state_in

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """A spool to go on with: its segments, oldest first, the state after their last record, the last one's file."""

    segments: list[Segment]
    state: WriterState
    descriptor: int


def recover(directory: Path, writer: str, disk: Disk) -> Recovered:
    """Check every frame, cut a torn last one, and make what is left durable. Blocks.

    Raises `SpoolCorrupt` where frames that were durable are damaged or missing, and `SpoolUnreadable`; both change
    nothing. Raises `OSError` where the disk does not take what is written.
    """
    disk.remove(directory.glob(f"*{UNFINISHED}"))
    paths = segment_paths(directory)
    if not paths:
        return _begin(directory, writer, disk)
    segments: list[Segment] = []
    expected: int | None = None
    for path in paths:
        checked = _check(path, writer, expected, newest=path == paths[-1])
        segments.append(checked.segment)
        expected = checked.next_sequence
    state = _fold(checked)
    return Recovered(segments, state, _make_durable(checked, disk))


def _begin(directory: Path, writer: str, disk: Disk) -> Recovered:
    state = WriterState()
    path = segment_path(directory, state.next_sequence)
    first = frame(header(writer, state))
    return Recovered([Segment(state.next_sequence, path, len(first))], state, disk.create(path, first))


@dataclass(frozen=True, slots=True)
class _Checked:
    segment: Segment
    state: WriterState
    payloads: list[tuple[int, bytes]]
    next_sequence: int
    file_bytes: int


def _check(path: Path, writer: str, expected: int | None, *, newest: bool) -> _Checked:
    """Read a segment whole. Every record follows on the one before, across frames and files."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SpoolUnreadable(path, error) from error
    found = list(frames(content))
    end = found[-1][0] + HEAD_BYTES + len(found[-1][1]) if found else 0
    if content[end:].strip(b"\0"):
        _check_torn(path, content, end, newest=newest and bool(found))
    if not found:
        raise SpoolCorrupt(path, 0, "it has no header")
    try:
        state = state_in(found[0][1], writer)
    except ValueError as error:
        raise SpoolCorrupt(path, 0, str(error)) from error
    sequence = state.next_sequence
    if path != segment_path(path.parent, sequence) or expected not in (None, sequence):
        raise SpoolCorrupt(path, 0, f"it begins at record {sequence}, where {expected or path.stem} was due")
    for offset, payload in found[1:]:
        group = stored_group(payload)
        if group is None or group.first_sequence != sequence:
            raise SpoolCorrupt(path, offset, f"the frame does not begin with record {sequence}")
        sequence = group.last_sequence + 1
    return _Checked(Segment(state.next_sequence, path, end), state, found, sequence, len(content))


def _check_torn(path: Path, content: bytes, end: int, *, newest: bool) -> None:
    """Only the write that a crash cut short may be bad: the last one of the newest segment.

    Groups are synced one by one, so a sound frame behind a bad one proves that the bad one once was durable.
    """
    if not newest:
        raise SpoolCorrupt(path, end, "the frame does not fit its checksum")
    behind = next_frame(content, end, GROUP_OPENING)
    if behind is not None:
        raise SpoolCorrupt(path, end, f"the frame does not fit its checksum, and a sound one follows at {behind}")


def _fold(checked: _Checked) -> WriterState:
    state = checked.state
    for offset, payload in checked.payloads[1:]:
        try:
            for raw in records_in(payload):
                state.apply(decode_record(raw), leaf_hash(raw).hex())
        except (msgspec.MsgspecError, RecordOutOfOrderError) as error:
            raise SpoolCorrupt(checked.segment.path, offset, f"the frame's records do not fit ({error})") from error
    if state.next_sequence != checked.next_sequence:
        offset = checked.payloads[-1][0]
        raise SpoolCorrupt(checked.segment.path, offset, "the segment holds fewer records than its frames claim")
    return state


def _make_durable(checked: _Checked, disk: Disk) -> int:
    """Write the last frame again, without what is torn behind it, and sync.

    It may never have been synced, or its sync may have failed: then the kernel holds its pages for clean, and only
    writing them once more brings them to the disk. Every frame before it was synced before it was written.
    """
    segment = checked.segment
    descriptor = disk.open(segment.path)
    try:
        torn_bytes = checked.file_bytes - segment.end
        if torn_bytes:
            disk.cut(descriptor, segment.end)
            log.warning("spool.tail_cut", segment=segment.path.name, offset=segment.end, size_bytes=torn_bytes)
        offset, payload = checked.payloads[-1]
        disk.write(descriptor, frame(payload), offset)
        disk.sync(descriptor)
    except BaseException:
        disk.close(descriptor)
        raise
    return descriptor
