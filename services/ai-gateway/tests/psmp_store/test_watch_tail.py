"""Every process follows all events by itself, from the moment somebody watches, and loses none to a broken link."""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
import pytest
from looking import until

from metaqore_ai_gateway.adapters.psmp import event_tail
from metaqore_ai_gateway.adapters.psmp.event_tail import EventTail
from metaqore_ai_gateway.service.psmp.watch_hub import Watcher, WatchHub


@contextlib.asynccontextmanager
async def following(url):
    hub = WatchHub()
    running = asyncio.create_task(EventTail(url, hub, "test", interval_s=0.1).run())
    try:
        yield hub
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def watching(hub, organization="acme"):
    watcher = Watcher(organization, lambda _: True)
    await hub.join(watcher)
    try:
        yield watcher
    finally:
        hub.leave(watcher)


async def versions(watcher, count):
    found = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found += [one.version for one in await watcher.take()]
    return found


async def test_every_process_sees_all_that_happens_from_when_it_watches(team, psmp_url):
    await team.propose("before")
    async with following(psmp_url) as one, following(psmp_url) as other:
        async with watching(one) as first, watching(other) as second:
            await asyncio.gather(*(team.propose(f"a{at}") for at in range(10)))
            assert await versions(first, 20) == list(range(4, 24))
            assert await versions(second, 20) == list(range(4, 24))
        await until(lambda: not one._following.is_set())
        await team.propose("while nobody watches")
        async with watching(one) as third:
            await team.propose("after")
            assert await versions(third, 2) == [26, 27]


async def test_what_was_committed_before_is_passed_over_also_behind_an_open_transaction(team, pool, psmp_url):
    async with following(psmp_url) as hub, contextlib.AsyncExitStack() as watched, pool.acquire() as held:
        async with held.transaction():
            assert await held.fetchval("select pg_current_xact_id()::text")
            await team.propose("before")
            watcher = await watched.enter_async_context(watching(hub))
        await team.propose("after")
        assert await versions(watcher, 2) == [4, 5]


async def test_an_open_transaction_hides_nothing_that_commits_after_it_began(team, team_of, store, psmp_url):
    assert team
    other = team_of(project="field")
    await other.create(name="field")
    async with following(psmp_url) as hub, store.open("acme", "garden") as held:
        assert await held.connection.fetchval("select pg_current_xact_id()::text")
        async with watching(hub) as watcher:
            await other.propose("later")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await watcher.take()
            await held.connection.execute("rollback")
            assert await versions(watcher, 2) == [2, 3]
            await held.connection.execute("begin")


async def test_a_broken_link_loses_nothing(team, psmp_url, postgres_url, monkeypatch):
    monkeypatch.setattr(event_tail, "_RETRY_S", 0.1)
    admin = await asyncpg.connect(postgres_url)
    try:
        async with following(psmp_url) as hub, watching(hub) as watcher:
            await team.propose("one")
            assert await versions(watcher, 2) == [2, 3]
            await admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'metaqore-test-psmp-watch'"
            )
            await team.propose("two")
            assert await versions(watcher, 2) == [4, 5]
    finally:
        await admin.close()


async def test_what_happens_elsewhere_comes_to_nobody(team, team_of, psmp_url):
    other = team_of(organization="other")
    async with following(psmp_url) as hub, watching(hub, "other") as watcher:
        await team.propose("mine")
        await other.create()
        (event,) = await watcher.take()
        assert (event.organization, event.version) == ("other", 1)
