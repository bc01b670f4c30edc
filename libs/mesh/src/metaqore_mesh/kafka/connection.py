"""What every client of the broker is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaqore_mesh.settings import KafkaSettings

REQUEST_TIMEOUT_S = 10.0


def connection_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Keyword arguments of a single connection: who we are, and how long an answer may take."""
    del settings  # security belongs here
    return {"client_id": client_id, "request_timeout_ms": int(REQUEST_TIMEOUT_S * 1000)}


def client_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Keyword arguments that aiokafka's producer, consumer and admin client share."""
    return {
        **connection_options(settings, client_id),
        "bootstrap_servers": settings.bootstrap_servers,
        # Topics of the embedded broker vanish with it: look again soon.
        "metadata_max_age_ms": 5_000,
        "retry_backoff_ms": 100,
    }
