"""How much a spool takes before it refuses."""

from __future__ import annotations

from dataclasses import dataclass

_MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Sizes in bytes. `disk_bytes` holds at least four segments, so that trimming finds something to remove.

    `outcome_bytes` are kept free for each open decision: what was begun can be ended, however full the spool is.
    A group, at most `group_bytes` and one more record, stays below the megabyte that brokers take by default.
    `gather_s` is how long a group waits for more records while several come at a time: fewer syncs and signatures,
    and less to change between threads, for that much latency. A record that comes alone never waits.
    """

    disk_bytes: int = 1024 * _MEBIBYTE
    segment_bytes: int = 16 * _MEBIBYTE
    waiting_records: int = 10_000
    group_records: int = 1_024
    group_bytes: int = _MEBIBYTE // 2
    tail_bytes: int = 8 * _MEBIBYTE
    outcome_bytes: int = 2_048
    gather_s: float = 0.0

    def __post_init__(self) -> None:
        if self.disk_bytes < 4 * self.segment_bytes:
            raise ValueError("disk_bytes must be at least four times segment_bytes")
        if min(self.segment_bytes, self.waiting_records, self.group_records, self.group_bytes) < 1:
            raise ValueError("the limits of a spool are positive")
