import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from looking import until

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.database.pool import open_pool
from metaqore_mesh.embedded import account
from metaqore_mesh.embedded.databases import (
    AUDITOR,
    GATEWAY,
    ensure_databases,
    make_databases,
    with_database,
    working_roles,
)
from metaqore_mesh.embedded.mesh_file import Process
from metaqore_mesh.embedded.postgres import ADMIN, EmbeddedPostgres
from metaqore_mesh.ports import free_ports


@contextlib.asynccontextmanager
async def running(server):
    await server.prepare()
    process = await asyncio.create_subprocess_exec(*server.command(), stderr=asyncio.subprocess.DEVNULL)
    try:
        while reason := await server.unready():
            assert process.returncode is None, reason
            await asyncio.sleep(0.03)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


async def query(url, text):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(text)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A cluster that was made and never started."""
    fresh = EmbeddedPostgres(tmp_path_factory.mktemp("cluster") / "postgres")
    asyncio.run(fresh.prepare())
    return fresh.directory


@pytest.fixture
def server(tmp_path, cluster):
    shutil.copytree(cluster, tmp_path / "postgres")
    return EmbeddedPostgres(tmp_path / "postgres")


async def test_each_service_owns_its_database_and_enters_no_other(server):
    async with running(server):
        for _ in range(2):
            await make_databases(server.url("postgres", role=ADMIN), [GATEWAY, AUDITOR])
        assert await query(server.url(GATEWAY), "select current_user::text") == GATEWAY
        assert not await query(server.url(GATEWAY), "select rolsuper from pg_roles where rolname = current_user")
        await query(server.url(GATEWAY), "create table here (id int)")
        with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
            await query(server.url(AUDITOR, role=GATEWAY), "select 1")


async def test_only_its_user_reaches_it_and_it_opens_no_port(server):
    async with running(server):
        assert await query(server.url("postgres", role=ADMIN), "show listen_addresses") == ""
        assert await query(server.url("postgres", role=ADMIN), "show fsync") == "on"
        assert server.socket_directory.stat().st_mode & 0o777 == 0o700
        assert server.directory.stat().st_mode & 0o777 == 0o700


async def test_over_tcp_a_password_is_asked(server):
    server = replace(server, port=free_ports(1)[0])
    async with running(server):
        await make_databases(server.url("postgres", role=ADMIN), [GATEWAY], password="it's")
        host = f"127.0.0.1:{server.port}/{GATEWAY}"
        assert await query(f"postgresql://{GATEWAY}:it's@{host}", "select 1") == 1
        with pytest.raises(asyncpg.InvalidPasswordError):
            await query(f"postgresql://{GATEWAY}:wrong@{host}", "select 1")
        async with open_pool(f"postgresql://{GATEWAY}:it's@{host}", name="test") as pool:
            assert await pool.fetchval("show tcp_user_timeout") == "60000"  # TCP alone takes it


async def test_who_stops_it_while_its_cluster_is_made_leaves_nobody_writing(tmp_path):
    server = EmbeddedPostgres(tmp_path / "postgres")
    making = asyncio.create_task(server.prepare())
    await until((tmp_path / "postgres.new" / "base" / "1").exists)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert not _started_for(tmp_path)
    await server.prepare()
    assert (server.directory / "PG_VERSION").exists()


async def test_it_starts_again_after_everything_was_killed(server):
    async with running(server) as process:
        await make_databases(server.url("postgres", role=ADMIN), [GATEWAY])
        await query(server.url(GATEWAY), "create table kept as select 7 as n")
        backends = [child for child in map(Process.of, _children(process.pid)) if child]
        process.kill()
        for backend in backends[:1]:
            backend.end(signal.SIGSTOP)  # one that does not notice that its server is gone
    (server.directory / "postmaster.pid").write_text(f"{os.getpid()}\n{server.directory}\n1\n5432\n\n\n0 0\n")
    async with running(server):
        assert await query(server.url(GATEWAY), "select n from kept") == 7
    for backend in backends:
        await until(lambda backend=backend: not backend.alive())


def _started_for(directory):
    """The processes whose arguments or variables name `directory`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.fsencode(directory) in (process / "cmdline").read_bytes() + (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_server_left_running_is_ended_first(server):
    async with running(server) as old, running(server):
        assert old.returncode is not None


async def test_a_cut_off_first_start_leaves_nothing_that_looks_whole(tmp_path):
    server = EmbeddedPostgres(tmp_path / "postgres")
    fresh = server.directory.with_name("postgres.new")
    fresh.mkdir()
    (fresh / "PG_VERSION").write_text("18\n")
    async with running(server):
        assert not fresh.exists()


async def test_a_long_run_directory_has_its_socket_elsewhere(tmp_path):
    server = EmbeddedPostgres(tmp_path / ("long" * 30) / "postgres")
    assert len(os.fsencode(server.socket_directory / server.socket_name)) <= 107
    async with running(server):
        assert server.socket_directory.stat().st_mode & 0o777 == 0o700
    server.socket_directory.rmdir()


async def test_a_socket_directory_of_somebody_else_is_refused(server):
    server.socket_directory.mkdir(mode=0o755)
    with pytest.raises(MetaQoreError, match="Remove it"):
        await server.prepare()


async def test_another_major_version_says_what_to_do(server):
    (server.directory / "PG_VERSION").write_text("17\n")
    with pytest.raises(MetaQoreError, match="made by PostgreSQL 17"):
        await server.prepare()


async def test_missing_databases_of_ones_own_server_are_made_where_the_role_may(server):
    async with running(server):
        admin = server.url("postgres", role=ADMIN)
        await ensure_databases(admin, [GATEWAY])
        await ensure_databases(admin, [GATEWAY])
        assert await query(server.url(GATEWAY, role=ADMIN), "select 1") == 1
        await make_databases(admin, [AUDITOR])
        with pytest.raises(MetaQoreError, match='CREATE DATABASE "other"'):
            await ensure_databases(server.url(AUDITOR), ["other"])


async def test_the_gateway_takes_on_its_working_roles_and_inherits_nothing_of_them(server):
    async with running(server):
        admin = server.url("postgres", role=ADMIN)
        for _ in range(2):
            await make_databases(admin, [GATEWAY, AUDITOR])
        assert await query(admin, "select count(*) from pg_roles where rolname like 'metaqore%_psmp%'") == 2
        risky = (
            "select count(*) from pg_roles where rolname like '%_psmp%' and (rolsuper or rolbypassrls or rolcanlogin)"
        )
        assert await query(admin, risky) == 0
        for role in working_roles(GATEWAY):
            assert await query(server.url(GATEWAY), f"select pg_has_role('{role}', 'set')")
            assert not await query(server.url(GATEWAY), f"select pg_has_role('{role}', 'usage')")


@pytest.mark.parametrize(
    "url", ["db:5432", "postgresql://u:s3cret#1@db/postgres", "postgresql://u:s3cret/1@db/x", "mysql://x"]
)
async def test_a_url_that_cannot_be_read_is_told_without_it(url):
    with pytest.raises(MetaQoreError, match="percent-encoding") as refused:
        await ensure_databases(url, [GATEWAY])
    assert "s3cret" not in str(refused.value)
    assert refused.value.__suppress_context__


async def test_a_database_that_is_not_there_is_told(server):
    async with running(server):
        with pytest.raises(MetaQoreError, match="such as postgres"):
            await ensure_databases(server.url("none", role=ADMIN), [GATEWAY])


async def test_missing_working_roles_are_made_where_the_role_may_and_named_where_not(server):
    async with running(server):
        admin = server.url("postgres", role=ADMIN)
        await make_databases(admin, [AUDITOR])
        await query(admin, f"alter role {AUDITOR} createdb")
        with pytest.raises(MetaQoreError) as refused:
            await ensure_databases(server.url(AUDITOR), [GATEWAY])
        assert refused.value.code == "psmp_roles_missing"
        assert 'CREATE ROLE "metaqore_gateway_psmp" NOLOGIN;' in refused.value.message
        await query(admin, f"alter role {AUDITOR} createrole")
        for _ in range(2):
            await ensure_databases(server.url(AUDITOR), [GATEWAY])
        assert await query(admin, f"select pg_has_role('{AUDITOR}', 'metaqore_gateway_psmp_relay', 'set')")


def test_long_names_of_databases_leave_room_for_the_roles_endings():
    assert [len(role) for role in working_roles("d" * 63)] == [53, 59]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h:1/x?sslmode=require", "postgresql://u:p@h:1/metaqore_gateway?sslmode=require"),
        ("postgresql://u@/x?host=%2Frun", "postgresql://u@/metaqore_gateway?host=%2Frun"),
        ("postgresql:///x?host=/run", "postgresql:///metaqore_gateway?host=/run"),
    ],
)
def test_a_url_is_moved_to_another_database(url, expected):
    assert with_database(url, GATEWAY) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by PostgreSQL")
class TestAsRoot:
    def test_root_without_namespaces_and_within_private_directories_is_told_the_ways_out(self, monkeypatch, tmp_path):
        monkeypatch.setattr(account, "_namespaces_work", lambda: False)
        private = tmp_path / "private"
        private.mkdir(mode=0o700)
        with pytest.raises(MetaQoreError, match="METAQORE_DATABASE__URL"):
            account.choose_account(private / "run" / "postgres", Path("/usr/bin"))

    async def test_without_namespaces_an_unprivileged_user_runs_it(self, monkeypatch, short_open_directory):
        monkeypatch.setattr(account, "_namespaces_work", lambda: False)
        monkeypatch.setattr(account, "_others_reach", lambda _: True)
        server = EmbeddedPostgres(short_open_directory / "run" / "postgres")
        async with running(server):
            assert server.directory.stat().st_uid != 0
            assert await query(server.url("postgres", role=ADMIN), "select 1") == 1


@pytest.fixture
def short_open_directory():
    """A directory that every user may pass through; pytest's own is private."""
    directory = Path(tempfile.mkdtemp(prefix="mq"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)
