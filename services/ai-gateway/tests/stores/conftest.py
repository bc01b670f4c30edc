"""A migrated database of its own for each test, on one embedded PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from metaqore_ai_gateway.migrations.versions import v0001_first_tables
from metaqore_mesh.embedded.postgres import ADMIN, EmbeddedPostgres

TEMPLATE = "gateway_template"
_numbers = count()


async def _until_ready(server: EmbeddedPostgres) -> None:
    for _ in range(200):
        if await server.unready() is None:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError("PostgreSQL did not start")


async def _make_template(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(server.url("postgres", role=ADMIN))
    await connection.execute(f"create database {TEMPLATE}")
    await connection.close()
    connection = await asyncpg.connect(server.url(TEMPLATE, role=ADMIN))
    for statement in v0001_first_tables.statements():
        await connection.execute(statement)
    await connection.close()


@pytest.fixture(scope="session")
def postgres():
    with tempfile.TemporaryDirectory(prefix="mq") as directory:
        server = EmbeddedPostgres(Path(directory) / "pg")
        asyncio.run(server.prepare())
        process = subprocess.Popen(server.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            asyncio.run(_until_ready(server))
            asyncio.run(_make_template(server))
            yield server
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
async def database_url(postgres):
    name = f"gateway_{next(_numbers)}"
    connection = await asyncpg.connect(postgres.url("postgres", role=ADMIN))
    await connection.execute(f"create database {name} template {TEMPLATE}")
    yield postgres.url(name, role=ADMIN)
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()


@pytest.fixture
async def pool(database_url):
    async with asyncpg.create_pool(database_url, min_size=1, max_size=5) as pool:
        yield pool
