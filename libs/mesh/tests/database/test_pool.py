"""Nothing waits for ever, and what a repeat may mend is told apart from a fault."""

from __future__ import annotations

import asyncio
import threading
import time

import asyncpg
import pytest

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.database.errors import database_errors
from metaqore_mesh.database.pool import open_pool, transaction


async def test_a_statement_that_takes_too_long_is_ended(database_url):
    async with open_pool(database_url, name="test", statement_timeout_s=0.1) as pool:
        with pytest.raises(MetaQoreError) as raised:
            async with transaction(pool) as connection:
                await connection.execute("select pg_sleep(5)")
    assert (raised.value.code, raised.value.kind) == ("database_unavailable", ErrorKind.UNAVAILABLE)


async def test_a_lock_that_is_held_too_long_is_a_conflict(database_url):
    async with open_pool(database_url, name="test", lock_timeout_s=0.1) as pool, transaction(pool) as holder:
        await holder.execute("select pg_advisory_xact_lock(1)")
        with pytest.raises(MetaQoreError) as raised:
            async with transaction(pool) as connection:
                await connection.execute("select pg_advisory_xact_lock(1)")
    assert (raised.value.code, raised.value.retryable) == ("database_conflict", True)


async def test_an_exception_rolls_back(pool):
    await pool.execute("create table t (x int)")

    async def fail():
        async with transaction(pool) as connection:
            await connection.execute("insert into t values (1)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await pool.fetchval("select count(*) from t") == 0


async def test_a_connection_given_back_is_asked_nothing_and_has_no_transaction(pool):
    async with pool.acquire() as connection:
        asked = []
        connection.add_query_logger(lambda query: asked.append(query.query))
        await connection.execute("create table t (x int)")
        await connection.transaction().start()
        await connection.execute("insert into t values (1)")
    async with pool.acquire() as connection:
        assert await connection.fetchval("select count(*) from t") == 0
    assert not any("RESET" in query or "UNLISTEN" in query for query in asked)


@pytest.mark.parametrize(
    ("statement", "argument", "error"),
    [
        ("select $1::int", "no number", asyncpg.DataError),
        ("insert into t values ($1)", 1, asyncpg.UniqueViolationError),
        ("selec $1", 1, asyncpg.PostgresSyntaxError),
    ],
)
async def test_a_fault_stays_what_it_is(statement, argument, error, pool):
    await pool.execute("create table t (x int unique)")
    await pool.execute("insert into t values (1)")
    with pytest.raises(error):
        async with transaction(pool) as connection:
            await connection.fetch(statement, argument)


async def test_a_database_that_is_not_there_is_unavailable(unused_tcp_port):
    with pytest.raises(MetaQoreError) as raised:
        async with open_pool(f"postgresql://nobody@127.0.0.1:{unused_tcp_port}/nothing", name="test"):
            pass
    assert raised.value.code == "database_unavailable"


async def test_a_server_that_ends_the_connection_is_unavailable_and_the_pool_recovers(pool):
    with pytest.raises(MetaQoreError) as raised:
        async with transaction(pool) as connection:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")
    assert raised.value.code == "database_unavailable"
    async with transaction(pool) as connection:
        assert await connection.fetchval("select 1") == 1


def end_session(database_url, pid):
    """Blocks until the server has ended it, so that the caller's loop hears nothing meanwhile."""

    async def end():
        connection = await asyncpg.connect(database_url)
        await connection.execute("select pg_terminate_backend($1)", pid)
        while await connection.fetchval("select count(*) from pg_stat_activity where pid = $1", pid):
            await asyncio.sleep(0.01)
        await connection.close()

    thread = threading.Thread(target=asyncio.run, args=(end(),))
    thread.start()
    thread.join()
    time.sleep(0.1)  # until its last words have come


async def test_a_session_that_the_server_ended_a_moment_ago_is_unavailable_and_the_pool_recovers(pool, database_url):
    async def ask_a_moment_later():
        async with pool.acquire() as connection:
            end_session(database_url, connection.get_server_pid())
            for _ in range(2):  # they are heard, and the end of the stream is not
                await asyncio.sleep(0)
            with database_errors():
                await connection.execute("select 1")

    async def cause():
        with pytest.raises(MetaQoreError) as raised:
            await ask_a_moment_later()
        assert raised.value.code == "database_unavailable"
        async with transaction(pool) as connection:
            assert await connection.fetchval("select 1") == 1
        return type(raised.value.__cause__)

    assert asyncpg.InternalClientError in [await cause() for _ in range(3)]


async def test_the_end_does_not_wait_for_who_does_not_give_back(database_url, monkeypatch):
    monkeypatch.setattr("metaqore_mesh.database.pool._CLOSE_TIMEOUT_S", 0.1)
    async with asyncio.timeout(30), open_pool(database_url, name="test") as pool:
        await pool.acquire()


async def test_a_link_that_is_dead_is_given_up_and_found_again(link, monkeypatch):
    monkeypatch.setattr("metaqore_mesh.database.pool._SLACK_S", 0.2)
    monkeypatch.setattr("metaqore_mesh.database.pool.CONNECT_TIMEOUT_S", 0.5)

    async def ask():
        async with transaction(pool) as connection:
            return await connection.fetchval("select 1")

    async with open_pool(link.url, name="test", size=2, statement_timeout_s=0.2) as pool:
        assert await ask() == 1
        link.open.clear()
        async with asyncio.timeout(30):  # without a limit of the pool's own, it would be for ever
            with pytest.raises(MetaQoreError) as raised:
                await ask()
        assert raised.value.code == "database_unavailable"
        link.open.set()
        assert await ask() == 1


async def fails_when_given_up():
    with database_errors():
        try:
            await asyncio.Event().wait()
        finally:
            raise TimeoutError  # as asyncpg does where the database does not hear of it


async def test_a_cancellation_is_not_lost_in_giving_up_a_statement():
    task = asyncio.create_task(fails_when_given_up())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_deadline_is_told_as_such_where_giving_up_a_statement_fails():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await fails_when_given_up()
