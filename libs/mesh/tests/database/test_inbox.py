"""A consumer handles an event once: the claim stands exactly where the effect stands."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from metaqore_mesh.database.inbox import INBOX, claim, claim_all, forget
from metaqore_mesh.database.pool import transaction


@pytest.fixture(autouse=True)
async def inbox(pool):
    for statement in INBOX:
        await pool.execute(statement)


async def test_an_event_is_new_once_for_each_consumer(pool):
    async with transaction(pool) as connection:
        assert await claim(connection, "a", "event")
        assert not await claim(connection, "a", "event")
    async with transaction(pool) as connection:
        assert not await claim(connection, "a", "event")
        assert await claim(connection, "b", "event")


async def test_a_claim_goes_with_the_effect_that_failed(pool):
    async def fail():
        async with transaction(pool) as connection:
            await claim(connection, "a", "event")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with transaction(pool) as connection:
        assert await claim(connection, "a", "event")


async def test_of_a_batch_only_the_new_ones_are_claimed(pool):
    async with transaction(pool) as connection:
        assert await claim_all(connection, "a", ["1", "2", "2"]) == {"1", "2"}
        assert await claim_all(connection, "a", ["2", "3"]) == {"3"}
        assert await claim_all(connection, "a", []) == frozenset()


@pytest.mark.parametrize("commits", [True, False])
async def test_a_second_delivery_waits_for_the_first_ones_end(commits, pool):
    async def second():
        async with transaction(pool) as connection:
            return await claim(connection, "a", "event")

    async with pool.acquire() as connection:
        first = connection.transaction()
        await first.start()
        assert await claim(connection, "a", "event")
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await (first.commit() if commits else first.rollback())
    assert await waiting is not commits


async def test_batches_that_share_events_do_not_deadlock(pool):
    ids = [f"{number:03}" for number in range(200)]

    async def batch(order):
        async with transaction(pool) as connection:
            return await claim_all(connection, "a", order)

    claimed = await asyncio.gather(*(batch(ids if number % 2 else ids[::-1]) for number in range(8)))
    assert sorted(len(new) for new in claimed) == [0] * 7 + [200]


async def test_old_claims_are_forgotten(pool):
    async with transaction(pool) as connection:
        await claim_all(connection, "a", ["old", "new"])
        await connection.execute("update inbox set claimed_at = now() - interval '2 days' where event_id = 'old'")
        await forget(connection, "a", timedelta(days=1))
        assert await claim_all(connection, "a", ["old", "new"]) == {"old"}
