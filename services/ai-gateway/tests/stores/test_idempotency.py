import asyncio
from hashlib import sha256

import asyncpg
import pytest

from metaqore_ai_gateway.adapters.idempotency import PostgresIdempotencyStore
from metaqore_ai_gateway.service.idempotency import check_key
from metaqore_ai_gateway.service.ports import StoredAnswer
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

ANSWER = StoredAnswer(200, {"x-metaqore-receipt": "r1", "content-type": "application/json"}, b'{"a":1}\x00\xff')


@pytest.fixture
def store(pool):
    return PostgresIdempotencyStore(pool, "writer-1")


async def refused_with(use) -> tuple[str, ErrorKind]:
    with pytest.raises(MetaQoreError) as refused:
        await use
    return refused.value.code, refused.value.kind


async def test_a_repeat_gets_the_first_answer(store):
    assert await store.begin("org_1", "k", b"digest") is None
    await store.finish("org_1", "k", ANSWER)
    assert await store.begin("org_1", "k", b"digest") == ANSWER


async def test_a_repeat_while_the_first_runs_is_a_conflict(store):
    await store.begin("org_1", "k", b"digest")
    assert await refused_with(store.begin("org_1", "k", b"digest")) == ("idempotency_in_flight", ErrorKind.CONFLICT)


@pytest.mark.parametrize("finished", [False, True])
async def test_another_body_is_unprocessable(store, finished):
    await store.begin("org_1", "k", b"digest")
    if finished:
        await store.finish("org_1", "k", ANSWER)
    refused = await refused_with(store.begin("org_1", "k", b"other"))
    assert refused == ("idempotency_body_differs", ErrorKind.UNPROCESSABLE)


async def test_an_organization_has_its_own_keys(store):
    await store.begin("org_1", "k", b"digest")
    assert await store.begin("org_2", "k", b"other") is None


async def test_of_many_that_begin_together_one_runs(store):
    results = await asyncio.gather(*(store.begin("org_1", "k", b"d") for _ in range(20)), return_exceptions=True)
    assert results.count(None) == 1
    assert {result.code for result in results if result is not None} == {"idempotency_in_flight"}


class LatePool:
    """A pool whose answers come a while after what was asked is done."""

    def __init__(self, pool):
        self.execute = pool.execute
        self.fetchrow = pool.fetchrow
        self._fetchval = pool.fetchval
        self.done = asyncio.Event()

    async def fetchval(self, *args):
        found = await self._fetchval(*args)
        self.done.set()
        await asyncio.sleep(0.05)
        return found


class DyingPool:
    """A pool whose connection dies once what was asked is done, and before anybody hears of it."""

    def __init__(self, pool):
        self.executemany = pool.executemany
        self.fetchrow = pool.fetchrow
        self._pool = pool

    async def fetchval(self, *args):
        await self._pool.fetchval(*args)
        self.fetchval = self._pool.fetchval
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


async def test_a_key_that_was_taken_as_its_connection_died_is_free(pool):
    store = PostgresIdempotencyStore(DyingPool(pool), "writer-1")
    assert (await refused_with(store.begin("org_1", "k", b"digest")))[0] == "database_unavailable"
    assert await store.begin("org_1", "k", b"digest") is None
    assert (await refused_with(store.begin("org_1", "k", b"digest")))[0] == "idempotency_in_flight"
    await store.finish("org_1", "k", ANSWER)
    assert await store.begin("org_1", "k", b"digest") == ANSWER


class AwayPool:
    """A pool whose database is away for the first answers that are to be kept."""

    def __init__(self, pool):
        self.fetchval = pool.fetchval
        self.fetchrow = pool.fetchrow
        self._pool = pool
        self.back = asyncio.Event()

    async def executemany(self, *args):
        if not self.back.is_set():
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        await self._pool.executemany(*args)


async def test_an_answer_leaves_and_is_kept_once_the_database_is_back(pool):
    away = AwayPool(pool)
    store = PostgresIdempotencyStore(away, "writer-1")
    await store.begin("org_1", "k", b"digest")
    await store.finish("org_1", "k", ANSWER)
    assert (await refused_with(store.begin("org_1", "k", b"digest")))[0] == "idempotency_in_flight"
    away.back.set()
    async with asyncio.timeout(10):
        while (kept := await asyncio.gather(store.begin("org_1", "k", b"digest"), return_exceptions=True)) != [ANSWER]:
            assert kept[0].code == "idempotency_in_flight"
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("held_before", [False, True])
async def test_who_is_cancelled_while_a_key_is_taken_leaves_it_as_it_was(pool, held_before):
    late = LatePool(pool)
    store = PostgresIdempotencyStore(late, "writer-1")
    if held_before:
        await store.begin("org_1", "k", b"digest")
    taking = asyncio.create_task(store.begin("org_1", "k", b"digest"))
    await late.done.wait()
    taking.cancel()
    await asyncio.wait({taking})
    if held_before:
        assert await refused_with(store.begin("org_1", "k", b"digest")) == ("idempotency_in_flight", ErrorKind.CONFLICT)
    else:
        assert taking.cancelled()
        assert await store.begin("org_1", "k", b"other") is None


async def test_a_released_key_is_free(store):
    await store.begin("org_1", "k", b"digest")
    await store.release("org_1", "k")
    assert await store.begin("org_1", "k", b"other") is None


async def test_an_answer_is_not_released(store):
    await store.begin("org_1", "k", b"digest")
    await store.finish("org_1", "k", ANSWER)
    await store.release("org_1", "k")
    assert await store.begin("org_1", "k", b"digest") == ANSWER


async def test_a_restart_frees_what_the_crash_left_in_flight_and_nothing_else(store, pool):
    other = PostgresIdempotencyStore(pool, "writer-2")
    await store.begin("org_1", "left", b"digest")
    await store.begin("org_1", "answered", b"digest")
    await store.finish("org_1", "answered", ANSWER)
    await other.begin("org_1", "anothers", b"digest")
    restarted = PostgresIdempotencyStore(pool, "writer-1")
    assert await restarted.begin("org_1", "left", b"other") is None
    assert await restarted.begin("org_1", "answered", b"digest") == ANSWER
    assert (await refused_with(restarted.begin("org_1", "anothers", b"digest")))[0] == "idempotency_in_flight"


async def test_after_a_day_the_key_is_new(store, pool):
    await store.begin("org_1", "k", b"digest")
    await store.finish("org_1", "k", ANSWER)
    await pool.execute("update idempotency_keys set created_at = now() - interval '25 hours'")
    assert await store.begin("org_1", "k", b"other") is None


async def test_after_a_day_the_answer_is_deleted(store, pool):
    await store.begin("org_1", "old", b"digest")
    await pool.execute("update idempotency_keys set created_at = now() - interval '25 hours'")
    await store.begin("org_1", "new", b"digest")
    assert await store.forget_old() == 1
    assert await pool.fetchval("select key from idempotency_keys") == sha256(b"new").hexdigest()


async def test_a_key_itself_is_stored_nowhere(store, pool):
    await store.begin("org_1", "sk-perhaps-a-secret", b"d")
    await store.finish("org_1", "sk-perhaps-a-secret", ANSWER)
    rows = await pool.fetch("select idempotency_keys::text as row from idempotency_keys")
    assert rows
    assert not [row for row in rows if "perhaps" in row["row"]]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "ä", "\x00"])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(MetaQoreError) as refused:
        check_key(key)
    assert refused.value.code == "invalid_idempotency_key"


def test_a_uuid_is_a_key():
    check_key("0199f2f4-7a6e-7000-8000-000000000000")
