"""The spool's counters. Set once for each group commit, never for each record."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECORDS = Counter("metaqore_spool_records_total", "Records made durable.")
GROUP_RECORDS = Histogram(
    "metaqore_spool_group_records",
    "Records that shared one sync.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
SYNC_SECONDS = Histogram(
    "metaqore_spool_sync_seconds",
    "Write and fdatasync of one group.",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
DISK_BYTES = Gauge("metaqore_spool_disk_bytes", "What the spool's segments hold.")
WAITING_RECORDS = Gauge("metaqore_spool_waiting_records", "Records that wait for the disk.")
OPEN_DECISIONS = Gauge("metaqore_spool_open_decisions", "Decisions without an outcome yet.")
FAILED = Gauge("metaqore_spool_failed", "1 once the disk has failed: nothing is taken until a restart.")
REFUSED = Counter("metaqore_spool_refused_total", "Records refused, by the code of the refusal.", ["code"])
UNSEALED_RECORDS = Gauge("metaqore_spool_unsealed_records", "Durable records that no signed checkpoint covers yet.")
SHIPPED_GROUPS = Counter("metaqore_spool_shipped_groups_total", "Groups that the broker acked, repeats included.")
SHIPPING_RESTARTS = Counter(
    "metaqore_spool_shipping_restarts_total",
    "Times that shipping began again behind the last sealed record, by cause: refused or stalled.",
    ["cause"],
)
