"""The counters of the bus. No label grows with what strangers send."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

RECORDS = Counter(
    "metaqore_kafka_records_total",
    "Records given to a handler, by how that ended: done, dead or retried.",
    ["topic", "consumer", "outcome"],
)
DEAD_LETTERS = Counter(
    "metaqore_kafka_dead_letters_total",
    "Records written to a dead letter topic, by cause.",
    ["topic", "consumer", "code"],
)
PUBLISHED = Counter("metaqore_kafka_published_total", "Records sent, by how that ended: acked or failed.", ["outcome"])
CONNECTED = Gauge("metaqore_kafka_connected", "1 while the client reaches the broker.", ["client"])
RESTARTS = Counter(
    "metaqore_kafka_client_restarts_total", "Clients made anew after an error they cannot mend.", ["client"]
)
