"""The right to seal changes hands, and processes die between any two steps: nothing is lost, doubled or unannounced."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest
from looking import until

from metaqore_compliance_auditor.adapters.wire import parse_group
from metaqore_compliance_auditor.domain.admission import Skip
from metaqore_compliance_auditor.service.ports import StoreUnavailableError
from metaqore_compliance_auditor.service.sealing import SealLimits
from metaqore_compliance_auditor.service.tenures import Tenures
from metaqore_governance_core.errors import ErrorKind, MetaQoreError

ACME = "org_acme"


@dataclass
class Feed:
    """Keeps what is announced; `broken` refuses, `stuck` never returns."""

    announced: list = field(default_factory=list)
    broken: bool = False
    stuck: bool = False
    tried: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, checkpoint):
        self.tried.set()
        if self.stuck:
            await asyncio.Event().wait()
        if self.broken:
            raise MetaQoreError("broker_unavailable", "No broker.", kind=ErrorKind.UNAVAILABLE, retryable=True)
        self.announced.append(checkpoint.head.size)


class Topic:
    """The audit topic: every tenure reads all of it, and waits for more."""

    def __init__(self, *groups):
        self.groups = list(groups)
        self.verdicts = []
        self.read = asyncio.Event()

    async def __call__(self, sealer):
        done = 0
        while True:
            for group in self.groups[done:]:
                self.verdicts.append(await sealer.offer(parse_group(group)))
                done += 1
            self.read.set()
            await asyncio.sleep(0.005)


@asynccontextmanager
async def tenures(parts, topic, feed, store=None, limits=None):
    """Tenures that run until the block ends; then they drain."""
    running = Tenures(
        store=store or parts.store,
        make_sealer=lambda tenure, positions: parts.sealer(tenure, positions, limits or SealLimits(delay_s=0.01)),
        intake=topic,
        feed=feed,
        retry_s=0.02,
    )
    stopping = asyncio.Event()
    task = asyncio.create_task(running.run(stopping))
    try:
        yield running, task
    finally:
        stopping.set()
        await asyncio.wait((task,), timeout=10)


def size_is(parts, size):
    async def reached():
        head = await parts.reader.head(ACME)
        return head is not None and head.size == size

    return reached


async def test_what_is_committed_is_announced(parts, author):
    feed = Feed()
    async with tenures(parts, Topic(author.tasks(1), author.tasks(1)), feed):
        await until(size_is(parts, 4))
    assert feed.announced[-1] == 4


async def test_a_kill_between_commit_and_announcement_is_made_up_for(parts, author):
    topic, stuck = Topic(author.tasks(1)), Feed(stuck=True)
    async with tenures(parts, topic, stuck) as (_, task):
        await stuck.tried.wait()
        assert (await parts.reader.head(ACME)).size == 2
        task.cancel()  # as a kill: nothing is tidied up but the session, which the server sees to
    feed = Feed()
    async with tenures(parts, Topic(*topic.groups, author.tasks(1)), feed):
        await until(size_is(parts, 4))
    assert list(dict.fromkeys(feed.announced)) == [2, 4]  # each at least once, in order
    assert await parts.faults() == []


async def test_a_broker_that_is_away_holds_up_announcements_alone(parts, author):
    topic, feed = Topic(author.tasks(1)), Feed(broken=True)
    async with tenures(parts, topic, feed):
        await feed.tried.wait()
        topic.groups.append(author.tasks(1))
        await until(size_is(parts, 4))
        assert feed.announced == []
        feed.broken = False

        async def announced():
            return feed.announced[-1:] == [4]

        await until(announced)


async def test_draining_seals_what_was_accepted(parts, author):
    topic = Topic(author.tasks(3))
    async with tenures(parts, topic, Feed(), limits=SealLimits(delay_s=60)):
        await topic.read.wait()
        assert await parts.reader.head(ACME) is None
    assert (await parts.reader.head(ACME)).size == 6


class Flaky:
    """A store whose first commit goes wrong: before it is made, or after, when nobody hears of it."""

    def __init__(self, store, *, made):
        self._store = store
        self._made = made
        self.failures = 0

    @asynccontextmanager
    async def tenure(self):
        async with self._store.tenure() as tenure:
            commit = tenure.commit

            async def flaky(seals):
                if self.failures:
                    return await commit(seals)
                self.failures += 1
                if self._made:
                    await commit(seals)
                raise StoreUnavailableError("The link broke.")

            tenure.commit = flaky
            yield tenure


@pytest.mark.parametrize("made", [False, True])
async def test_a_commit_of_unknown_outcome_neither_loses_nor_doubles(parts, author, made):
    topic, feed = Topic(author.tasks(2)), Feed()
    store = Flaky(parts.store, made=made)
    async with tenures(parts, topic, feed, store=store):
        await until(size_is(parts, 4))

        async def read_again():
            return len(topic.verdicts) >= 2

        await until(read_again)
    assert store.failures == 1
    assert isinstance(topic.verdicts[1], Skip) is made
    assert await parts.faults() == []
    assert set(feed.announced) == {4}


async def test_a_session_that_dies_in_its_commit_leaves_nothing_behind(parts, author):
    await parts.seal(author.tasks(1))
    topic = Topic(author.tasks(1))
    blocker = await asyncpg.connect(parts.url)
    try:
        blocking = blocker.transaction()
        await blocking.start()
        await blocker.execute("SELECT FROM logs FOR UPDATE")
        async with tenures(parts, topic, Feed()):
            kill = """
                SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE application_name = 'metaqore-auditor-sealer' AND wait_event_type = 'Lock'
            """

            async def killed():
                return await parts.pool.fetchval(kill)

            await until(killed)
            assert (await parts.reader.head(ACME)).size == 2
            assert await parts.pool.fetchval("SELECT count(*) FROM entries") == 2
            await blocking.rollback()
            await until(size_is(parts, 4))
    finally:
        await blocker.close()
    assert await parts.faults() == []


async def test_two_auditors_take_turns(parts, author):
    first, second = Topic(author.tasks(1)), Topic()
    async with tenures(parts, first, Feed()) as (_, task):
        await until(size_is(parts, 2))
        async with tenures(parts, second, Feed()) as (waiting, _):
            await asyncio.sleep(0.1)
            assert waiting.sealer is None
            task.cancel()
            second.groups += [*first.groups, author.tasks(1)]
            await until(size_is(parts, 4))
    assert isinstance(second.verdicts[0], Skip)
    assert await parts.faults() == []


async def test_waiting_for_the_right_ends_with_the_process(parts, author):
    async with tenures(parts, Topic(author.tasks(1)), Feed()):
        await until(size_is(parts, 2))
        async with tenures(parts, Topic(), Feed()) as (_, task):
            await asyncio.sleep(0.05)
        assert task.done()


async def test_a_fault_of_ours_ends_the_process(parts):
    async def broken(_):
        raise ZeroDivisionError

    async with tenures(parts, broken, Feed()) as (_, task):
        await asyncio.wait((task,), timeout=60)
        assert isinstance(task.exception(), ZeroDivisionError)
