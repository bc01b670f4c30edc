"""Migrations run once, whole or not at all, whoever starts them."""

from __future__ import annotations

import asyncio
import sys

import asyncpg
import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.database.migrations import migrate

STEP = '''"""Step {number}."""

from alembic import op

revision = "{number}"
down_revision = {before}


def upgrade() -> None:
    op.execute("select pg_sleep(0.05)")
    op.execute("{statement}")
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A migrations package in a directory with awkward characters; `add(statement)` gives it one more step."""
    root = tmp_path / "a 100% odd:place"
    versions = root / "steps_of_test" / "versions"
    versions.mkdir(parents=True)
    for directory in (versions, versions.parent):
        (directory / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.delitem(sys.modules, "steps_of_test", raising=False)
    numbers = []

    def add(statement):
        number = f"{len(numbers) + 1:04}"
        before = repr(numbers[-1]) if numbers else "None"
        (versions / f"{number}_step.py").write_text(STEP.format(number=number, before=before, statement=statement))
        numbers.append(number)
        return "steps_of_test"

    return add


async def tables(url):
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch("select tablename from pg_tables where schemaname = 'public' order by 1")
        return [row["tablename"] for row in found if row["tablename"] != "alembic_version"]
    finally:
        await connection.close()


async def test_only_the_missing_steps_run(database_url, package):
    name = package("create table a (x int)")
    await migrate(database_url, name)
    package("create table b (x int)")
    await migrate(database_url, name)
    await migrate(database_url, name)
    assert await tables(database_url) == ["a", "b"]


async def test_services_that_start_at_once_do_not_collide(database_url, package):
    name = package("create table a (x int)")
    await asyncio.gather(*(migrate(database_url, name) for _ in range(4)))
    assert await tables(database_url) == ["a"]


async def test_a_step_that_fails_leaves_nothing_of_the_others(database_url, package):
    package("create table a (x int)")
    name = package("create table a (again int)")
    with pytest.raises(MetaQoreError, match="already exists") as raised:
        await migrate(database_url, name)
    assert raised.value.code == "database_not_migrated"
    assert await tables(database_url) == []


async def test_a_database_of_a_newer_version_is_left_alone(database_url, package):
    name = package("create table a (x int)")
    await migrate(database_url, name)
    connection = await asyncpg.connect(database_url)
    await connection.execute("update alembic_version set version_num = '9999'")
    await connection.close()
    with pytest.raises(MetaQoreError, match="9999"):
        await migrate(database_url, name)


async def test_a_database_that_is_not_there_is_unavailable(package, unused_tcp_port):
    name = package("select 1")
    with pytest.raises(MetaQoreError) as raised:
        await migrate(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/nothing", name)
    assert (raised.value.code, raised.value.retryable) == ("database_unavailable", True)


@pytest.mark.parametrize("url", ["", "secret://x", "postgresql://u:secret@[x", "postgresql://u:secret@host:port/x"])
async def test_a_database_that_is_not_named_is_told_by_its_variable(package, url):
    with pytest.raises(MetaQoreError) as raised:
        await migrate(url, package("select 1"))
    assert raised.value.code == "settings_invalid"
    assert "METAQORE_DATABASE__URL" in raised.value.message
    assert "secret" not in raised.value.message


async def test_a_role_that_only_an_account_without_a_name_could_give(package, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 10001")

    monkeypatch.setattr("getpass.getuser", nameless)
    with pytest.raises(MetaQoreError, match="METAQORE_DATABASE__URL"):
        await migrate("postgresql://127.0.0.1/metaqore", package("select 1"))
