"""No organization sees or changes another's rows, on any statement, whether or not the application filters."""

import importlib
import pkgutil
import re

import asyncpg
import pytest

from metaqore_ai_gateway.adapters import psmp
from metaqore_ai_gateway.adapters.psmp.answers import PostgresAnswers
from metaqore_ai_gateway.adapters.psmp.places import PostgresPlaces
from metaqore_ai_gateway.adapters.psmp.tenancy import become_relay, of_organization
from metaqore_ai_gateway.migrations.versions.v0003_psmp import TABLES
from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.ids import artifact_id, checkpoint_id
from metaqore_ai_gateway.service.psmp.places import Place
from metaqore_ai_gateway.service.psmp.points import AtVersion
from metaqore_ai_gateway.service.psmp.reading_ports import Direction, Wanted
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import work
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.work import WorkState

TENANT = re.compile(r"(\w+\.)?organization = \$1 and\s")
"""The application's own filter, as every statement spells it."""


@pytest.fixture
async def rows(team, checkpoints):
    """Rows of `acme` in every table but that of snapshots, which is filled by hand."""
    await team.stand("one", paths=["a"], needs=["numpy<2"])
    await team.do(*team.proposal("gone", paths=["a"]))
    await team.do(team.ask("gone", c.Reject, "no"))
    await team.do(*team.proposal("two", paths=["a"], inputs=["one@1"]), key="k")
    ref = Ref(Kind.TASK, "t1")
    await team.do(Asked(ref, work.Open(team.ann, next(team.clock), "t1", "acme", "garden", "Dig")))
    await checkpoints.take("acme", "garden", "then", by="ann", at_us=1)
    return team


async def counted(connection, table):
    return await connection.fetchval(f"select count(*) from {table}")  # noqa: S608 - constants only


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
            async with of_organization(pool, "third") as connection:
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
                row = dict(await connection.fetchrow(f"select * from {table} limit 1"))  # noqa: S608 - constants only
            row.pop("position", None)
            names, places = ", ".join(row), ", ".join(f"${at}" for at in range(1, len(row) + 1))
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                async with of_organization(pool, "third") as connection:
                    await connection.execute(f"insert into {table} ({names}) values ({places})", *row.values())  # noqa: S608 - constants only

    async def test_loses_no_row_to_another(self, pool):
        for table in TABLES:
            column = "digest" if table == "psmp_bodies" else "project"
            for verb in (f"delete from {table}", f"update {table} set {column} = 'theirs'"):  # noqa: S608 - constants only
                try:
                    async with of_organization(pool, "third") as connection:
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


SEEN_BY_THE_RELAY = {
    "psmp_events": None,
    "psmp_aggregates": {"organization", "project", "kind", "aggregate", "lease_until_us"},
    "psmp_versions": {"organization", "project", "artifact", "number", "phase", "expires_us"},
    "psmp_commands": {"organization", "project", "key", "created_at"},
    "psmp_bodies": {"organization", "digest", "is_used", "kept_at"},
}
"""The columns of each table that the relay's role may read; None for all."""


class TestTheRelay:
    async def test_sees_all_events(self, pool, rows, team_of):
        await team_of(organization="other").create()
        async with pool.acquire() as connection, connection.transaction():
            await become_relay(connection)
            assert await connection.fetchval("select count(distinct organization) from psmp_events") == 2
        assert rows

    async def test_sees_no_column_but_those_that_say_what_time_has_ended(self, pool, rows):
        for table in TABLES:
            named = "select attname from pg_attribute where attrelid = $1::text::regclass and attnum > 0"
            columns = {row["attname"] for row in await pool.fetch(named, table)}
            for column in columns - (SEEN_BY_THE_RELAY.get(table, set()) or columns):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await self.asked(pool, f"select {column} from {table}")  # noqa: S608 - constants only
        assert rows

    async def test_sees_no_row_that_time_has_not_ended(self, pool, rows):
        for table in SEEN_BY_THE_RELAY.keys() - {"psmp_events"}:
            assert await self.asked(pool, f"select organization from {table}") == [], table  # noqa: S608 - constants only
        assert rows

    async def test_changes_nothing_and_deletes_what_is_old_alone(self, pool, rows):
        for table in TABLES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await self.asked(pool, f"update {table} set organization = 'theirs'")  # noqa: S608 - constants only
            if table in {"psmp_commands", "psmp_bodies"}:
                await self.asked(pool, f"delete from {table}")  # noqa: S608 - constants only
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await self.asked(pool, f"delete from {table}")  # noqa: S608 - constants only
            async with of_organization(pool, "acme") as connection:
                assert await counted(connection, table) > 0 or table == "psmp_snapshots", table
        assert rows

    async def asked(self, pool, statement):
        async with pool.acquire() as connection, connection.transaction():
            await become_relay(connection)
            return await connection.fetch(statement)


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
    for found in pkgutil.iter_modules(psmp.__path__, f"{psmp.__name__}."):
        module = importlib.import_module(found.name)
        for name, text in vars(module).items():
            if isinstance(text, str) and TENANT.search(text):
                yield module, name, text


def test_every_statement_is_tried():
    assert len(list(statements())) >= 45


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

    async def test_readings_find_nothing_of_another(self, readings, stranger, rows):
        id_, versions = artifact_id("acme", "garden", "two"), Direction.SOURCES
        for reading in (
            readings.project(stranger, "garden"),
            readings.artifact(stranger, id_),
            readings.artifact(stranger, id_, AtVersion(3)),
            readings.artifacts(stranger, "garden", Wanted()),
            readings.artifacts(stranger, "garden", Wanted(), at=AtVersion(3)),
            readings.version(stranger, id_, 1),
            readings.task(stranger, "t1"),
            readings.tasks(stranger, "garden", Wanted()),
            readings.conflicts(stranger, "garden", Wanted()),
            readings.report(stranger, "garden", Wanted()),
            readings.events(stranger, "garden", 0),
            readings.diff(stranger, "garden", AtVersion(0), None, Wanted()),
            readings.state_form(stranger, "garden"),
            readings.provenance(stranger, id_, 1, versions, 3),
            readings.checkpoint(stranger, checkpoint_id("acme", "garden", "then")),
            readings.checkpoints(stranger, "garden", Wanted()),
            anext(readings.body(stranger, id_, 1)),
        ):
            with pytest.raises(MetaQoreError, match=r"has no|no such"):
                await reading
        assert (await readings.projects(stranger, Wanted())).found == ()
        assert (await readings.conflicts(stranger, None, Wanted(), ended=True)).found == ()
        assert rows

    async def test_a_project_of_ones_own_shows_nothing_of_one_of_the_same_id(self, readings, stranger, team_of, rows):
        await team_of(organization="other").create()
        assert (await readings.artifacts(stranger, "garden", Wanted())).found == ()
        assert (await readings.artifacts(stranger, "garden", Wanted(), phase=Phase.ACTIVE)).found == ()
        assert (await readings.tasks(stranger, "garden", Wanted(), state=WorkState.OPEN)).found == ()
        assert (await readings.conflicts(stranger, "garden", Wanted(), ended=True)).found == ()
        assert (await readings.conflicts(stranger, "garden", Wanted(), ended=True, at=AtVersion(1))).found == ()
        assert (await readings.report(stranger, "garden", Wanted()))[1] == 0
        assert [one.organization for one in await readings.events(stranger, "garden", 0)] == ["other"]
        assert len((await readings.diff(stranger, "garden", AtVersion(0), None, Wanted())).found) == 1
        _, form = await readings.state_form(stranger, "garden")
        assert form.startswith(b'{"artifacts":[],')
        assert form.endswith(b'"tasks":[]}')
        assert (await readings.checkpoints(stranger, "garden", Wanted())).found == ()
        assert rows

    async def test_places_answers_and_bodies_are_found_by_nobody_else(self, pool, kept_bodies, readings, ann, rows):
        (conflict,) = (await readings.conflicts(ann, "garden", Wanted())).found
        of = Place("garden", Ref(Kind.ARTIFACT, "two"))
        places = PostgresPlaces(pool)
        assert await places.conflict_in("acme", conflict.opened.conflict.id, of, 1)
        assert await places.conflict_in("other", conflict.opened.conflict.id, of, 1) is None
        assert await places.place("other", Kind.ARTIFACT, artifact_id("acme", "garden", "two")) is None
        assert await places.checkpoint_at("other", checkpoint_id("acme", "garden", "then")) is None
        assert await PostgresAnswers(pool).find("acme", "garden", "k")
        assert await PostgresAnswers(pool).find("other", "garden", "k") is None
        assert await kept_bodies.kept("third", "d" * 64) is None
        assert await kept_bodies.living(["bodies/third/x", "bodies/acme/" + "d" * 64]) == {"bodies/acme/" + "d" * 64}
        await kept_bodies.erase("third", "d" * 64)
        assert (await kept_bodies.kept("acme", "d" * 64))[0].wrapped_key
        assert rows

    async def test_writes_change_nothing_of_another(self, rows, team_of, store):
        before = await rows.state(store, "one")
        other = team_of(organization="other")
        with pytest.raises(MetaQoreError, match="no such project"):
            await other.do(other.ask("one", c.Deprecate, "theirs"))
        await other.create()
        await other.stand("one", paths=["a"], needs=["numpy>=2"])
        assert await rows.state(store, "one") == before
