"""A PostgreSQL that has just started and has none of its data in memory, nor has the kernel."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from metaqore_ai_gateway.adapters.psmp.roles import prepare_roles
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.embedded.databases import GATEWAY
from metaqore_mesh.embedded.postgres import EmbeddedPostgres

START_TIMEOUT_S: Final = 60.0


@asynccontextmanager
async def cold_pool(postgres: EmbeddedPostgres, log: Path) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """A connection as the gateway has them, to a server that nobody has asked anything; both end with the block."""
    await postgres.prepare()
    forget_files(postgres.directory)
    with log.open("ab") as output:
        process = subprocess.Popen(postgres.command(), stdout=output, stderr=output)  # noqa: ASYNC220 - nothing else runs meanwhile
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while await postgres.unready():  # noqa: ASYNC110 - another process can only be asked
                await asyncio.sleep(0.05)
        async with open_pool(postgres.url(GATEWAY), name="bench", size=1) as pool:
            await prepare_roles(pool)
            yield pool
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)


def forget_files(directory: Path) -> None:
    """Let the kernel drop the pages of all files below; they must be written back, as after a clean stop."""
    os.sync()
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
