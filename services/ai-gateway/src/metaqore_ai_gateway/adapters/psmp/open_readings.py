"""Everything that is read of PSMP, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg

from metaqore_ai_gateway.adapters.psmp.catalog import PostgresCatalog
from metaqore_ai_gateway.adapters.psmp.checkpoints import PostgresCheckpoints
from metaqore_ai_gateway.adapters.psmp.conflict_reads import PostgresConflicts
from metaqore_ai_gateway.adapters.psmp.history import PostgresHistory
from metaqore_ai_gateway.adapters.psmp.provenance import PostgresProvenance
from metaqore_ai_gateway.adapters.psmp.replay import PostgresReplay
from metaqore_ai_gateway.service.psmp.reading_ports import Readings
from metaqore_ai_gateway.service.psmp.readings import ProjectReadings
from metaqore_ai_gateway.service.psmp.uploads import BodyStore


def open_readings(pool: asyncpg.Pool[asyncpg.Record], bodies: BodyStore, now_us: Callable[[], int]) -> Readings:
    """The port `Readings` on these tables."""
    return ProjectReadings(
        PostgresCatalog(pool),
        PostgresHistory(pool),
        PostgresConflicts(pool),
        PostgresProvenance(pool),
        PostgresCheckpoints(pool),
        PostgresReplay(pool),
        bodies,
        now_us,
    )
