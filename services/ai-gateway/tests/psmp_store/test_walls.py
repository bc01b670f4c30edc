"""No organization sees or changes another's rows, on any statement, whether or not the application filters."""

import re

import asyncpg
import pytest

from metaqore_ai_gateway.adapters.psmp import checkpoints as checkpoints_
from metaqore_ai_gateway.adapters.psmp import history, history_sql, project_reads, project_store, project_writes
from metaqore_ai_gateway.adapters.psmp.tenancy import become_relay, of_organization
from metaqore_ai_gateway.migrations.versions.v0003_psmp import TABLES
from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.points import AtVersion
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c

TENANT = re.compile(r"(\w+\.)?organization = \$1 and ")
"""The application's own filter, as every statement spells it."""


@pytest.fixture
async def rows(team, checkpoints):
    """Rows of `acme` in every table but that of snapshots, which is filled by hand."""
    await team.stand("one", paths=["a"], needs=["numpy<2"])
    await team.do(*team.proposal("two", paths=["a"]), key="k")
    await checkpoints.take("acme", "garden", "then", by="ann", at_us=1)
    return team


async def counted(connection, table):
    return await connection.fetchval(f"select count(*) from {table}")  # noqa: S608


@pytest.fixture
async def snapshot(pool, rows):
    async with of_organization(pool, "acme") as connection:
        await connection.execute(
            "insert into psmp_snapshots values ('acme', 'garden', 'artifact', 'one', 1, 1, '\\x7b7d')"
        )
    return rows


@pytest.mark.usefixtures("snapshot")
class TestEveryTable:
    async def test_is_seen_by_its_organization_alone(self, pool):
        for table in TABLES:
            async with of_organization(pool, "acme") as connection:
                assert await counted(connection, table) > 0, table
            async with of_organization(pool, "other") as connection:
                assert await counted(connection, table) == 0, table

    async def test_is_empty_where_no_organization_is_set(self, pool):
        for table in TABLES:
            async with of_organization(pool, "") as connection:
                assert await counted(connection, table) == 0, table
            async with pool.acquire() as connection, connection.transaction():  # as its owner, whom FORCE holds, too
                assert await counted(connection, table) == 0, table

    async def test_takes_no_row_of_another(self, pool):
        for table in TABLES:
            async with of_organization(pool, "acme") as connection:
                row = dict(await connection.fetchrow(f"select * from {table} limit 1"))  # noqa: S608
            row.pop("position", None)
            names, places = ", ".join(row), ", ".join(f"${at}" for at in range(1, len(row) + 1))
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                async with of_organization(pool, "other") as connection:
                    await connection.execute(f"insert into {table} ({names}) values ({places})", *row.values())  # noqa: S608

    async def test_loses_no_row_to_another(self, pool):
        for table in TABLES:
            for verb in (f"delete from {table}", f"update {table} set project = 'theirs'"):  # noqa: S608
                try:
                    async with of_organization(pool, "other") as connection:
                        done = await connection.execute(verb)
                except asyncpg.InsufficientPrivilegeError:
                    continue  # nobody may, whoever's rows they are
                assert done.endswith(" 0"), verb
            async with of_organization(pool, "acme") as connection:
                assert await counted(connection, table) > 0, table


async def test_events_can_be_changed_by_nobody_who_works_here(pool, rows):
    for verb in ("update psmp_events set body = ''", "delete from psmp_events", "truncate psmp_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with of_organization(pool, "acme") as connection:
                await connection.execute(verb)
    assert rows


async def test_the_relay_sees_all_events_and_nothing_else(pool, rows, team_of):
    await team_of(organization="other").create()
    async with pool.acquire() as connection, connection.transaction():
        await become_relay(connection)
        assert await connection.fetchval("select count(distinct organization) from psmp_events") == 2
    for table in TABLES:
        if table == "psmp_events":
            continue
        async with pool.acquire() as connection, connection.transaction():
            await become_relay(connection)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await counted(connection, table)
    assert rows


async def test_a_transaction_leaves_no_organization_behind(pool, rows):
    async with pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("select set_config('metaqore.organization', 'acme', true)")
        assert await connection.fetchval("select count(*) from psmp_events") == 0
    assert rows


async def test_names_are_no_statements(pool, rows):
    async with of_organization(pool, "acme'; reset role; --") as connection:
        assert await counted(connection, "psmp_events") == 0
        assert await connection.fetchval("select current_user") != await connection.fetchval("select session_user")
    assert rows


def statements():
    """Every statement of the store that filters by organization."""
    for module in (checkpoints_, history, history_sql, project_reads, project_store, project_writes):
        for name, text in vars(module).items():
            if isinstance(text, str) and TENANT.search(text):
                yield module, name, text


def test_every_statement_is_tried():
    assert len(list(statements())) >= 15


class TestWithoutTheApplicationsFilter:
    """The same use cases with the filter taken out of every statement: the wall behind it stands."""

    @pytest.fixture(autouse=True)
    def unfiltered(self, monkeypatch, rows):
        for module, name, text in statements():
            # `$1` must still be used, or the driver refuses the statement.
            monkeypatch.setattr(module, name, TENANT.sub("($1::text is not null) and ", text))
        return rows

    async def test_reads_find_nothing_of_another(self, store, history, checkpoints):
        async with store.open("other", "garden") as opened:
            assert opened.version == 0
            assert await opened.aggregates([Ref(Kind.ARTIFACT, "one")]) == {}
            assert await opened.stopped(None) == []
            assert await opened.open_items() == []
        with pytest.raises(MetaQoreError, match="no such project"):
            await history.version_at("other", "garden", AtVersion(0))
        assert (await history.page("other", "garden", 5)).artifacts == ()
        assert (await history.differences("other", "garden", 0, 5)).found == ()
        assert await history.events("other", "garden") == []
        assert await checkpoints.page("other", "garden") == []

    async def test_writes_change_nothing_of_another(self, rows, team_of, store):
        before = await rows.state(store, "one")
        other = team_of(organization="other")
        with pytest.raises(MetaQoreError, match="no such project"):
            await other.do(other.ask("one", c.Deprecate, "theirs"))
        await other.create()
        await other.stand("one", paths=["a"], needs=["numpy>=2"])
        assert await rows.state(store, "one") == before
