"""Why a spool refuses or cannot be read, each with a stable code."""
# ruff: noqa: N818 - these name what has happened to the spool or the record

from __future__ import annotations

from pathlib import Path

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.records import MAX_RECORD_BYTES


class SpoolFull(MetaQoreError):
    """No room for another record now: too much waits for the disk, or for the auditor's seal."""

    def __init__(self, message: str) -> None:
        super().__init__("spool_full", message, kind=ErrorKind.UNAVAILABLE, retryable=True)


class SpoolFailed(MetaQoreError):
    """The disk failed. What was not durable never will be, and nothing more is written until a restart."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            "spool_failed",
            f"Records cannot be made durable ({cause}). Mend the disk, then restart the service.",
            kind=ErrorKind.UNAVAILABLE,
            retryable=True,
        )


class SpoolClosed(MetaQoreError):
    """The spool takes no more records: the service is stopping."""

    def __init__(self) -> None:
        super().__init__(
            "spool_closed", "The service is stopping; try again soon.", kind=ErrorKind.UNAVAILABLE, retryable=True
        )


class RecordTooLarge(MetaQoreError):
    """The record cannot stand in the log."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            "record_too_large",
            f"The audit record of this task has {size_bytes} bytes, and {MAX_RECORD_BYTES} is the most that the log "
            "takes. Shorten the names that the task carries.",
            kind=ErrorKind.TOO_LARGE,
        )


class SpoolLocked(MetaQoreError):
    """Another process has the spool open."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            "spool_locked",
            f"Another process writes the spool in {directory}. Stop it, or give this one a directory of its own.",
            kind=ErrorKind.CONFLICT,
        )


class SpoolCorrupt(MetaQoreError):
    """Bytes that were durable have changed or gone. `offset` is where in `path` the first bad frame begins."""

    def __init__(self, path: Path, offset: int, found: str) -> None:
        super().__init__(
            "spool_corrupt",
            f"{path} is damaged at byte {offset}: {found}. Restore the file; nothing was changed.",
            kind=ErrorKind.INTERNAL,
        )
        self.path = path
        self.offset = offset


class SpoolUnreadable(MetaQoreError):
    """A segment is there and cannot be read: nobody knows what it holds, so nothing may be written behind it."""

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(
            "spool_unreadable",
            f"{path} cannot be read ({cause.strerror}). Make it a file that the service's account may read; nothing "
            "was changed.",
            kind=ErrorKind.INTERNAL,
        )


class SpoolTrimmed(MetaQoreError):
    """A reader asks for records that all holders had released."""

    def __init__(self, sequence: int, first_kept: int) -> None:
        super().__init__(
            "spool_trimmed",
            f"Record {sequence} is no longer in the spool, which begins at {first_kept}; read it from the log.",
            kind=ErrorKind.NOT_FOUND,
        )


class SpoolBehindLog(MetaQoreError):
    """The log has sealed records of this writer that the spool has not: the spool was set back to an older copy."""

    def __init__(self, writer: str, sealed_sequence: int, last_sequence: int) -> None:
        super().__init__(
            "spool_behind_log",
            f"The log holds records of {writer} up to {sealed_sequence}, this spool only up to {last_sequence}: it is "
            "an older copy. Writing on would use the same numbers twice. Restore the newest spool, or set spool and "
            "writer key aside, so that a new writer begins.",
            kind=ErrorKind.CONFLICT,
        )
