"""The auditor's counters. No label grows with what strangers send."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

GROUPS = Counter(
    "metaqore_auditor_groups_total",
    "Group commits received, by what became of them: appended, skipped, held, blocked, unreadable or refused.",
    ["outcome"],
)
REFUSED = Counter("metaqore_auditor_refused_groups_total", "Groups sent to the dead letters, by cause.", ["code"])
SEALED_RECORDS = Counter("metaqore_auditor_sealed_records_total", "Records covered by a signed checkpoint.")
SEALS = Counter("metaqore_auditor_seals_total", "Seals committed.")
SEAL_SECONDS = Histogram(
    "metaqore_auditor_seal_duration_seconds",
    "From the first record of a seal until its checkpoints were committed.",
    buckets=(0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0),
)
RECORD_AGE_SECONDS = Histogram(
    "metaqore_auditor_record_age_seconds",
    "From a group commit's time until a checkpoint that covers it was committed.",
    buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 30.0),
)
FAULTS = Counter("metaqore_auditor_faults_total", "Things found that do not fit in a log, by code.", ["code"])
OPEN_FAULTS = Gauge("metaqore_auditor_open_faults", "Faults in the book.")
TENURE = Gauge("metaqore_auditor_tenure", "1 while this process is the one that seals.")
PUBLISHED = Counter("metaqore_auditor_published_checkpoints_total", "Checkpoints announced on the bus.")
VERIFIED_RECORDS = Counter("metaqore_auditor_verified_records_total", "Records re-read by verifications.")
