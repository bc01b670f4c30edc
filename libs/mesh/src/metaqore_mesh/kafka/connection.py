"""What every client of the broker is told."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metaqore_mesh.settings import KafkaSettings

_PROTOCOLS = {
    (False, False): "PLAINTEXT",
    (False, True): "SSL",
    (True, False): "SASL_PLAINTEXT",
    (True, True): "SASL_SSL",
}
REQUEST_TIMEOUT_S = 10.0


def connection_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Keyword arguments of a single connection: who we are, how it is secured, how long an answer may take."""
    named = settings.sasl_username is not None
    options: dict[str, Any] = {
        "client_id": client_id,
        "request_timeout_ms": int(REQUEST_TIMEOUT_S * 1000),
        "security_protocol": _PROTOCOLS[named, settings.tls],
    }
    if settings.tls:
        options["ssl_context"] = ssl.create_default_context(cafile=settings.ca_file)
    if named:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password,
        }
    return options


def client_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Keyword arguments that aiokafka's producer, consumer and admin client share."""
    return {
        **connection_options(settings, client_id),
        "bootstrap_servers": settings.bootstrap_servers,
        # Topics of the embedded broker vanish with it: look again soon.
        "metadata_max_age_ms": 5_000,
        "retry_backoff_ms": 100,
    }
