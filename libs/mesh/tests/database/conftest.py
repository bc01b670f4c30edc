"""Pools on the real PostgreSQL."""

from __future__ import annotations

import pytest

from metaqore_mesh.database.pool import open_pool


@pytest.fixture
async def pool(database_url):
    async with open_pool(database_url, name="test", size=10) as pool:
        yield pool
