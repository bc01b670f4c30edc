"""Pytest fixtures that every member's tests share; the root conftest.py loads them."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from metaqore_mesh.embedded.databases import make_databases, with_database
from metaqore_mesh.embedded.postgres import ADMIN, EmbeddedPostgres

T = TypeVar("T")

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 10.0


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The superuser's URL of a PostgreSQL of this session: `METAQORE_TEST_POSTGRES`, or an embedded one."""
    if given := os.environ.get("METAQORE_TEST_POSTGRES"):
        yield given
        return
    directory = tmp_path_factory.mktemp("postgres")
    postgres = EmbeddedPostgres(directory / "cluster")
    _run(postgres.prepare())
    log = directory / "log"
    with log.open("wb") as output, subprocess.Popen(postgres.command(), stdout=output, stderr=output) as process:  # noqa: S603 - a program of the project
        try:
            _await_ready(postgres, process, log)
            yield postgres.url("postgres", role=ADMIN)
        finally:
            _stop(process)


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """The URL of a fresh database, for its owner, who is no superuser. It is dropped after the test."""
    name = f"test_{secrets.token_hex(6)}"
    password = secrets.token_hex(8)
    _run(make_databases(postgres_url, [name], password=password))
    yield _owned(with_database(postgres_url, name), name, password)
    _run(_drop(postgres_url, name))


def _owned(url: str, role: str, password: str) -> str:
    """`url` for `role` in place of whoever it names."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{role}:{password}@{rest.rpartition('@')[2]}"


async def _drop(admin_url: str, name: str) -> None:
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await connection.execute(f'DROP ROLE "{name}"')
    finally:
        await connection.close()


def _await_ready(postgres: EmbeddedPostgres, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while reason := _run(postgres.unready()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {reason}\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on a loop of its own, in a thread: pytest-asyncio's loop may be set in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
