import asyncpg
import pytest

from metaqore_ai_gateway.adapters.psmp.roles import prepare_roles
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.embedded.databases import with_database

MIGRATIONS = "metaqore_ai_gateway.migrations"


def database_of(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


async def test_where_the_role_may_not_make_roles_it_says_who_must_run_what(database_url):
    await migrate(database_url, MIGRATIONS)
    async with open_pool(database_url, name="test", size=1) as pool:
        with pytest.raises(MetaQoreError) as refused:
            await prepare_roles(pool)
    assert refused.value.code == "psmp_roles_missing"
    assert f"CREATE ROLE {database_of(database_url)}_psmp NOLOGIN;" in refused.value.message
    assert "WITH INHERIT FALSE, SET TRUE;" in refused.value.message


async def test_where_the_role_may_make_roles_the_migration_makes_them(postgres_url, database_url):
    name = database_of(database_url)
    admin = await asyncpg.connect(with_database(postgres_url, name))
    await admin.execute(f'alter role "{name}" createrole')
    try:
        await migrate(database_url, MIGRATIONS)
        async with open_pool(database_url, name="test", size=1) as pool:
            await prepare_roles(pool)
        found = await admin.fetch(
            "select rolname, rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname like $1", f"{name}_psmp%"
        )
        assert {row["rolname"] for row in found} == {f"{name}_psmp", f"{name}_psmp_relay"}
        assert not any(row["rolsuper"] or row["rolbypassrls"] or row["rolcanlogin"] for row in found)
    finally:
        for role in (f"{name}_psmp", f"{name}_psmp_relay"):
            await admin.execute(f'drop owned by "{role}"')
            await admin.execute(f'drop role "{role}"')
        await admin.close()


async def test_a_role_that_is_inherited_is_refused(postgres_url, roles, database_url):
    await migrate(database_url, MIGRATIONS)
    admin = await asyncpg.connect(postgres_url)
    await admin.execute(f'grant "{roles[1]}" to "{database_of(database_url)}" with inherit true')
    await admin.close()
    async with open_pool(database_url, name="test", size=1) as pool:
        with pytest.raises(MetaQoreError, match="without asking"):
            await prepare_roles(pool)
