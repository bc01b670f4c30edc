"""Every event reaches every consumer, in the order of its project, whatever commits out of order."""

import asyncio
import contextlib
from collections import defaultdict

import pytest
from looking import until
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from metaqore_ai_gateway.adapters.psmp import held_back, relay
from metaqore_ai_gateway.adapters.psmp.relay import EventRelay


class Consumer:
    def __init__(self, fail_first=0):
        self.versions, self.failures = defaultdict(list), fail_first

    async def take(self, events):
        if self.failures:
            self.failures -= 1
            raise RuntimeError("not now")
        for one in events:
            self.versions[one.organization, one.project].append(one.version)


@contextlib.asynccontextmanager
async def relaying(url, consumer, name="feed"):
    running = asyncio.create_task(EventRelay(url, name, consumer.take, "test", interval_s=0.1).run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def two(team, team_of):
    other = team_of(organization="other")
    await other.create()
    return team, other


async def test_events_of_all_organizations_come_in_the_order_of_their_projects(two, psmp_url):
    consumer = Consumer()
    async with relaying(psmp_url, consumer):
        await asyncio.gather(*(team.propose(f"a{at}") for at in range(10) for team in two))
        await until(lambda: sum(map(len, consumer.versions.values())) == 42, seen=lambda: dict(consumer.versions))
    assert dict(consumer.versions) == {("acme", "garden"): list(range(1, 22)), ("other", "garden"): list(range(1, 22))}


async def test_an_open_transaction_holds_back_what_comes_after_it(two, store, psmp_url):
    consumer = Consumer()
    team, other = two
    async with relaying(psmp_url, consumer):
        await until(lambda: len(consumer.versions) == 2)
        async with store.open("acme", "garden") as held:
            assert await held.connection.fetchval("select pg_current_xact_id()::text")
            await other.propose("later")
            await asyncio.sleep(0.4)
            assert consumer.versions["other", "garden"] == [1]
        await until(lambda: consumer.versions["other", "garden"] == [1, 2, 3])
    assert team


async def test_a_transaction_that_stays_open_is_named_and_the_lag_grows(two, store, psmp_url, monkeypatch):
    monkeypatch.setattr(held_back, "LONG_S", 0.5)
    consumer = Consumer()
    team, other = two
    with capture_logs() as lines:
        async with relaying(psmp_url, consumer):
            await until(lambda: len(consumer.versions) == 2)
            async with store.open("acme", "garden") as held:
                blocking = await held.connection.fetchval("select pg_current_xact_id()::text")
                await other.propose("later")
                await until(lambda: lag_s() > 1)
                await until(lambda: told(lines, "psmp.events_held_back", transaction=blocking))
            await until(lambda: consumer.versions["other", "garden"] == [1, 2, 3])
            await until(lambda: lag_s() == 0)
    assert told(lines, "psmp.events_held_back", transaction=blocking) == ["feed"]
    assert team


async def test_what_a_consumer_did_not_take_comes_again_and_what_it_took_does_not(team, psmp_url):
    await team.propose("one")
    consumer = Consumer(fail_first=1)
    async with relaying(psmp_url, consumer):
        await until(lambda: consumer.versions["acme", "garden"] == [1, 2, 3])
        await asyncio.sleep(0.2)
    await team.propose("two")
    async with relaying(psmp_url, consumer):
        await until(lambda: consumer.versions["acme", "garden"] == [1, 2, 3, 4, 5])


def told(lines, event, **fields):
    """The consumers of which such lines tell."""
    return [line["consumer"] for line in lines if line["event"] == event and fields.items() <= line.items()]


def lag_s():
    return REGISTRY.get_sample_value("metaqore_psmp_relay_lag_seconds", {"consumer": "feed"}) or 0


async def test_how_far_a_consumer_is_behind_can_be_measured(team, psmp_url):
    await team.propose("one")
    consumer = Consumer(fail_first=2)
    async with relaying(psmp_url, consumer):
        await until(lambda: lag_s() > 1)
        await until(lambda: consumer.versions["acme", "garden"] == [1, 2, 3])
        await until(lambda: lag_s() == 0)


async def test_large_events_are_given_few_at_once(team, psmp_url, monkeypatch):
    monkeypatch.setattr(relay, "LARGEST_BATCH_BYTES", 1)
    await team.propose("one")
    given = []

    async def take(events):
        given.append([one.version for one in events])

    consumer = Consumer()
    consumer.take = take
    async with relaying(psmp_url, consumer):
        await until(lambda: len(given) == 3)
    assert given == [[1], [2], [3]]


async def test_whoever_waits_for_its_turn_tells_that_the_one_that_works_hangs(team, psmp_url, monkeypatch):
    monkeypatch.setattr(held_back, "LONG_S", 0.5)
    await team.propose("one")
    hanging, consumer, began = Consumer(), Consumer(), asyncio.Event()

    async def hang(_):
        began.set()
        await asyncio.Event().wait()

    hanging.take = hang
    async with contextlib.AsyncExitStack() as stack:
        lines = stack.enter_context(capture_logs())
        async with relaying(psmp_url, hanging):
            await began.wait()
            await stack.enter_async_context(relaying(psmp_url, consumer))
            await until(lambda: lag_s() > 1)
            await until(lambda: told(lines, "psmp.relay_stalled"))
        await until(lambda: consumer.versions["acme", "garden"] == [1, 2, 3])
        await until(lambda: lag_s() == 0)
    assert told(lines, "psmp.relay_stalled") == ["feed"]


async def test_whoever_waits_for_its_turn_blames_no_one_for_an_open_transaction(two, store, psmp_url, monkeypatch):
    monkeypatch.setattr(held_back, "LONG_S", 0.3)
    consumer = Consumer()
    _, other = two
    with capture_logs() as lines:
        async with relaying(psmp_url, consumer), relaying(psmp_url, consumer):
            await until(lambda: len(consumer.versions) == 2)
            async with store.open("acme", "garden") as held:
                blocking = await held.connection.fetchval("select pg_current_xact_id()::text")
                await other.propose("later")
                await until(lambda: lag_s() > 1)
                await until(lambda: told(lines, "psmp.events_held_back", transaction=blocking))
            await until(lambda: consumer.versions["other", "garden"] == [1, 2, 3])
    assert told(lines, "psmp.events_held_back", transaction=blocking) == ["feed"]
    assert {line["event"] for line in lines if line["log_level"] == "warning"} == {"psmp.events_held_back"}
