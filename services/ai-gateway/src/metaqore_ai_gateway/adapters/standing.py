"""What is told of the gateway beside whether it takes tasks: a database or a broker that is away stops none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import Gauge

from metaqore_ai_gateway.adapters.keys_ring import SnapshotKeyRing
from metaqore_mesh.health import Health
from metaqore_mesh.kafka.bus import Bus

_CLAIMS: Final = Gauge("metaqore_gateway_claims_in_work", "Tasks from Kafka that are claimed and worked on now.")
_KEYS_AGE: Final = Gauge(
    "metaqore_gateway_keys_age_seconds", "Since the API keys in force were last held to the database."
)


def tell_standing(health: Health, bus: Bus, keys: SnapshotKeyRing, claims: Callable[[], int]) -> None:
    """Ask these for notices whenever health is asked for, and for gauges whenever metrics are read."""
    health.add_notice("database", keys.unreachable)
    health.add_notice("broker", bus.unready)
    health.add_notice("keys", keys.stale)
    _CLAIMS.set_function(claims)
    _KEYS_AGE.set_function(lambda: keys.age_s)
