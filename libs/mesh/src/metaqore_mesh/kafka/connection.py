"""What every client of the broker is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaqore_mesh.settings import KafkaSettings

REQUEST_TIMEOUT_S = 10.0
MAX_RECORD_BYTES = 1_048_576
"""Kafka's own default for the largest record batch."""


def client_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Keyword arguments that aiokafka's producer, consumer and admin client share."""
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": client_id,
        "request_timeout_ms": int(REQUEST_TIMEOUT_S * 1000),
        # Topics of the embedded broker vanish with it: look again soon.
        "metadata_max_age_ms": 5_000,
        "retry_backoff_ms": 100,
    }
