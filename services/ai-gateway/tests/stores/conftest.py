"""A pool on a migrated database of its own for each test."""

from __future__ import annotations

import pytest

from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool


@pytest.fixture
async def pool(database_url):
    await migrate(database_url, "metaqore_ai_gateway.migrations")
    async with open_pool(database_url, name="test", size=5) as pool:
        yield pool
