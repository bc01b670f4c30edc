import asyncio
import stat

import asyncpg
import pytest
from looking import until

from metaqore_ai_gateway.adapters.keys_first import make_first_key
from metaqore_ai_gateway.adapters.keys_ring import SnapshotKeyRing
from metaqore_ai_gateway.adapters.keys_store import PostgresKeyStore
from metaqore_ai_gateway.service.keys import CreateKey, ListKeys, RevokeKey
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller, Scope


@pytest.fixture
async def admin(pool, tmp_path):
    await make_first_key(pool, tmp_path / "api-key")
    return (await ring_of(pool)).find((tmp_path / "api-key").read_text().strip())


async def ring_of(pool) -> SnapshotKeyRing:
    ring = SnapshotKeyRing(pool)
    await ring.refresh()
    return ring


class TestFirstKey:
    async def test_is_an_administrators_and_only_its_owner_may_read_it(self, pool, tmp_path):
        file = tmp_path / "api-key"
        await make_first_key(pool, file)
        secret = file.read_text().strip()
        caller = (await ring_of(pool)).find(secret)
        assert secret.startswith("mq_")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert (caller.name, caller.scopes) == ("admin", frozenset(Scope))
        assert caller.organization.startswith("org_")

    async def test_is_made_once_by_gateways_that_start_together(self, pool, tmp_path):
        await asyncio.gather(*(make_first_key(pool, tmp_path / "api-key") for _ in range(5)))
        assert await pool.fetchval("select count(*) from api_keys") == 1
        assert await pool.fetchval("select count(*) from organizations") == 1

    async def test_gateways_with_run_directories_of_their_own_share_one(self, pool, tmp_path):
        await make_first_key(pool, tmp_path / "one")
        await make_first_key(pool, tmp_path / "two")
        assert not (tmp_path / "two").exists()
        assert await pool.fetchval("select count(*) from api_keys") == 1

    async def test_that_a_crash_left_in_the_file_alone_is_kept(self, pool, tmp_path):
        (tmp_path / "api-key").write_text("mq_left-by-a-crash\n")
        await make_first_key(pool, tmp_path / "api-key")
        assert (await ring_of(pool)).find("mq_left-by-a-crash").name == "admin"

    async def test_that_was_revoked_stays_revoked(self, pool, tmp_path, admin):
        await PostgresKeyStore(pool).revoke(admin.id, None)
        await make_first_key(pool, tmp_path / "api-key")
        assert (await ring_of(pool)).find((tmp_path / "api-key").read_text().strip()) is None

    @pytest.mark.usefixtures("admin")
    async def test_taken_away_is_not_made_again(self, pool, tmp_path):
        (tmp_path / "api-key").unlink()
        await make_first_key(pool, tmp_path / "api-key")
        assert not (tmp_path / "api-key").exists()

    @pytest.mark.usefixtures("admin")
    async def test_stands_nowhere_in_the_database(self, pool, tmp_path):
        secret = (tmp_path / "api-key").read_text().strip()
        rows = await pool.fetch("select api_keys::text as text from api_keys")
        assert secret not in str(rows)


class TestCreateKey:
    async def test_gives_the_default_scopes_in_the_callers_organization(self, pool, admin):
        key, secret = await CreateKey(PostgresKeyStore(pool))(admin, "payroll agent", frozenset())
        caller = (await ring_of(pool)).find(secret)
        assert caller == Caller(key.id, admin.organization, "payroll agent", frozenset(DEFAULT_SCOPES))

    async def test_makes_a_new_organization_for_an_administrator_of_the_mesh(self, pool, admin):
        key, _ = await CreateKey(PostgresKeyStore(pool))(admin, "bob", frozenset({"keys:admin"}), "new")
        assert key.organization.startswith("org_")
        assert key.organization != admin.organization

    @pytest.mark.parametrize(
        ("wanted", "code"),
        [
            pytest.param(("bob", {"tasks:destroy"}, ""), "unknown_scope", id="a scope that is none"),
            pytest.param(("", set(), ""), "invalid_caller_name", id="no name"),
            pytest.param(("b\n", set(), ""), "invalid_caller_name", id="a line break in the name"),
            pytest.param(("bob", {"mesh:admin"}, ""), "missing_scope", id="more than the giver has"),
            pytest.param(("bob", set(), "new"), "missing_scope", id="a new organization"),
            pytest.param(("bob", set(), "org_other"), "missing_scope", id="another organization"),
        ],
    )
    async def test_is_refused(self, pool, admin, wanted, code):
        name, scopes, organization = wanted
        keeper = Caller("key_1", admin.organization, "keeper", frozenset({Scope.KEYS_ADMIN}))
        with pytest.raises(MetaQoreError) as refused:
            await CreateKey(PostgresKeyStore(pool))(keeper, name, frozenset(scopes), organization)
        assert refused.value.code == code

    async def test_in_an_organization_that_is_none_is_refused(self, pool, admin):
        with pytest.raises(MetaQoreError) as refused:
            await CreateKey(PostgresKeyStore(pool))(admin, "bob", frozenset(), "org_none")
        assert refused.value.code == "organization_not_found"

    async def test_needs_the_scope(self, pool, admin):
        nobody = Caller("key_1", admin.organization, "nobody", frozenset(DEFAULT_SCOPES))
        for use in (
            CreateKey(PostgresKeyStore(pool))(nobody, "bob", frozenset()),
            ListKeys(PostgresKeyStore(pool))(nobody),
            RevokeKey(PostgresKeyStore(pool))(nobody, "key_1"),
        ):
            with pytest.raises(MetaQoreError) as refused:
                await use
            assert refused.value.code == "missing_scope"


class TestOtherOrganizations:
    async def test_are_neither_seen_nor_touched(self, pool, admin):
        store = PostgresKeyStore(pool)
        key, secret = await CreateKey(store)(admin, "bob", frozenset({"keys:admin"}), "new")
        bob = (await ring_of(pool)).find(secret)
        assert [listed.id for listed in await ListKeys(store)(bob)] == [key.id]
        with pytest.raises(MetaQoreError) as refused:
            await RevokeKey(store)(bob, admin.id)
        assert refused.value.code == "key_not_found"
        assert (await RevokeKey(store)(admin, key.id)).revoked_at is not None


class TestKeyRing:
    async def test_forgets_a_revoked_key_at_once(self, pool, admin):
        store = PostgresKeyStore(pool)
        key, secret = await CreateKey(store)(admin, "bob", frozenset())
        ring = SnapshotKeyRing(pool, poll_s=60)
        running = asyncio.create_task(ring.run())
        await until(lambda: ring.find(secret))
        await RevokeKey(store)(admin, key.id)
        await until(lambda: ring.find(secret) is None)
        running.cancel()

    @pytest.mark.usefixtures("admin")
    async def test_sees_by_polling_what_no_notification_told(self, pool):
        ring = SnapshotKeyRing(pool, poll_s=0.1)
        running = asyncio.create_task(ring.run())
        await until(lambda: ring._version >= 0)
        await pool.execute("alter table api_keys disable trigger announce_api_key_change")
        await pool.execute("update api_keys set revoked_at = now()")
        await pool.execute("update api_key_changes set version = version + 1")
        await until(lambda: not ring._callers)
        running.cancel()

    async def test_keeps_the_last_snapshot_while_the_database_is_away_and_comes_back(
        self, pool, postgres_url, database_url, admin
    ):
        store = PostgresKeyStore(pool)
        key, secret = await CreateKey(store)(admin, "bob", frozenset())
        own = await asyncpg.create_pool(database_url, min_size=0, max_size=2)
        ring = SnapshotKeyRing(own, poll_s=0.1)
        running = asyncio.create_task(ring.run())
        await until(lambda: ring.find(secret))
        name = await pool.fetchval("select current_database()")
        outside = await asyncpg.connect(postgres_url)
        await outside.execute(f"alter database {name} allow_connections false")
        await outside.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        await until(ring.unreachable)
        await asyncio.sleep(0.4)
        assert ring.find(secret)
        assert "cannot be reached" in ring.unreachable()
        await outside.execute(f"alter database {name} allow_connections true")
        await outside.close()
        await RevokeKey(store)(admin, key.id)
        await until(lambda: ring.find(secret) is None)
        assert ring.unreachable() is None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await own.close()

    async def test_says_that_it_is_old_where_the_database_gives_no_answer(self, pool, monkeypatch):
        ring = await ring_of(pool)
        assert (ring.stale(), ring.unreachable()) == (None, None)
        monkeypatch.setattr("metaqore_ai_gateway.adapters.keys_ring.STALE_S", -1.0)
        assert "revoked since then" in ring.stale()
        assert "no answer" in ring.unreachable()
        assert ring.age_s < 60

    @pytest.mark.usefixtures("admin")
    async def test_knows_no_other_secrets(self, pool):
        ring = await ring_of(pool)
        assert ring.find("") is None
        assert ring.find("mq_") is None
        assert ring.find("mq_\ud800") is None
