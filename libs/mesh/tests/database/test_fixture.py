import asyncpg


async def test_a_test_owns_a_database_of_its_own(database_url):
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table t (x int)")
    assert await connection.fetchval("select rolsuper from pg_roles where rolname = current_user") is False
    await connection.close()


async def test_the_next_test_finds_nothing_of_it(database_url):
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("select to_regclass('t')") is None
    await connection.close()
