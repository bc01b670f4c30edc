"""What was seen of logs before: the newest verified checkpoint of each, so that a log that was rolled back is noticed.

A log that lost its end still fits together and still has its key's signature; only who remembers can tell. The notes
are in the run directory, `seen/<hash of the origin>.note`, and beside them which log each API key had.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from metaqore_cli.client import Client
from metaqore_cli.trust import Trust
from metaqore_governance_core.checkpoints import Checkpoint, open_checkpoint, parse_checkpoint
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.merkle import EMPTY_ROOT, verify_consistency
from metaqore_mesh.run_directory import write_atomically

Fault = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SeenLogs:
    """Read it before the present checkpoint is asked for: what another process sees meanwhile may be newer."""

    directory: Path
    files: Mapping[str, str]
    key_file: str

    @classmethod
    def read(cls, directory: Path, api_key: str) -> Self:
        """What `directory` holds now, for whoever has this key. Raises `seen_not_readable`."""
        try:
            files = {file.name: file.read_text() for file in directory.glob("[!.]*")}
        except (OSError, ValueError) as error:
            raise _unusable(directory, "read") from error
        return cls(directory, files, f"{_hash(api_key)}.origin")

    def faults(self, client: Client, trust: Trust, present: Checkpoint | None) -> list[Fault]:
        """What of the log that was seen is no longer in `present`, a verified checkpoint; None is a log without any."""
        known = self.files.get(self.key_file, "").strip()
        origin = known or (present.origin if present else trust.origin or "")
        if present is not None and origin != present.origin:
            message = f"This key's log was {origin}; now it is {present.origin}. {self._way_on(origin)}"
            return [_fault("log_replaced", message, 0)]
        note = self.files.get(_note_name(origin))
        if note is None:
            return []
        try:
            earlier = open_checkpoint(note, origin, trust.public_key)
        except MetaQoreError as error:
            message = f"The checkpoint that was seen before does not verify: {error.message} {self._way_on(origin)}"
            return [_fault("seen_checkpoint_invalid", message, 0)]
        return self._compared(client, earlier, present or Checkpoint(origin, 0, EMPTY_ROOT))

    def remember(self, note: str, origin: str) -> None:
        """Keep a checkpoint that was verified, unless another process has kept a newer one since `read`.

        Raises `seen_not_written`.
        """
        kept = self.directory / _note_name(origin)
        try:
            with _locked(self.directory):
                if not (kept.exists() and _size(kept.read_text()) > _size(note)):
                    write_atomically(kept, note.encode())
                write_atomically(self.directory / self.key_file, f"{origin}\n".encode())
        except (OSError, ValueError) as error:
            raise _unusable(self.directory, "written") from error

    def _compared(self, client: Client, earlier: Checkpoint, present: Checkpoint) -> list[Fault]:
        if present.size < earlier.size:
            return [_fault("log_rolled_back", self._told("has lost records", earlier, present), present.size)]
        try:
            between = 0 < earlier.size < present.size
            path = client.consistency_path(earlier.size, present.size) if between else ()
            verify_consistency(earlier.size, present.size, earlier.root, present.root, path)
        except MetaQoreError as error:
            told = f"{self._told('does not begin with what it was', earlier, present)} ({error.message})"
            return [_fault("log_rewritten", told, 0)]
        return []

    def _told(self, what: str, earlier: Checkpoint, present: Checkpoint) -> str:
        return (
            f"The log {present.origin} {what}: it was seen with {earlier.size} records and root {earlier.root.hex()}, "
            f"now it has {present.size} and root {present.root.hex()}. {self._way_on(present.origin)}"
        )

    def _way_on(self, origin: str) -> str:
        """Both notes are signed by the log's key, so the kept one is evidence."""
        return (
            f"The earlier checkpoint is kept in {self.directory / _note_name(origin)}; remove it and {self.key_file} "
            "beside it only where the log was set up anew on purpose."
        )


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One process at a time."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _size(note: str) -> int:
    return parse_checkpoint(note.rpartition("\n\n")[0] + "\n").size


def _note_name(origin: str) -> str:
    return f"{_hash(origin)}.note"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _fault(code: str, message: str, index: int) -> Fault:
    return {"code": code, "message": message, "index": index}


def _unusable(directory: Path, how: str) -> MetaQoreError:
    message = (
        f"What was seen of logs before cannot be {how} in {directory}, so a log that was rolled back would not be "
        "noticed. Name a directory of your own by METAQORE_RUN_DIR."
    )
    return MetaQoreError(f"seen_not_{'readable' if how == 'read' else how}", message, kind=ErrorKind.INTERNAL)
