"""What commits is published: in order, at least once, by one relay, whatever order transactions end in."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from metaqore_mesh.database.migrations import migrate
from metaqore_mesh.database.outbox import OUTBOX, Message, append
from metaqore_mesh.database.pool import transaction
from metaqore_mesh.database.relay import OutboxRelay

ADVISORY = """
pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
"""

KEY = b"aggregate"


@pytest.fixture(autouse=True)
async def outbox(pool):
    for statement in OUTBOX:
        await pool.execute(statement)


class Broker:
    """Keeps what it acks. `fail` is asked before each message; `hold` keeps the acks back."""

    def __init__(self):
        self.got = []
        self.fail = lambda _message: None
        self.hold = asyncio.Event()
        self.hold.set()

    async def publish(self, topic, key, value, headers):
        message = Message(topic, key, value, headers)
        if error := self.fail(message):
            raise error
        self.got.append(message)
        await self.hold.wait()

    @property
    def values(self):
        return [int(message.value) for message in self.got]

    async def has(self, count):
        async with asyncio.timeout(60):
            while len(self.got) < count:
                await asyncio.sleep(0.01)


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def relaying(database_url, broker, monkeypatch):
    """Runs a relay; another one at the same time with another call."""
    monkeypatch.setattr("metaqore_mesh.database.relay._RETRY_S", 0.05)

    @asynccontextmanager
    async def relaying(to=None, **options):
        relay = OutboxRelay(database_url, (to or broker).publish, "test", **{"interval_s": 0.1, **options})
        running = asyncio.create_task(relay.run())
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return relaying


def message(value, key=KEY, **options):
    return Message("topic", key, b"%d" % value, **options)


async def committed(pool, *values, key=KEY):
    async with transaction(pool) as connection:
        await append(connection, *(message(value, key) for value in values))


async def drained(pool):
    async with asyncio.timeout(60):
        while await pool.fetchval("select count(*) from outbox"):
            await asyncio.sleep(0.02)


async def test_a_message_arrives_whole_and_leaves_the_outbox(pool, broker, relaying):
    sent = Message("t", None, None, (("ce_id", b"\x00\xff"), ("ce_id", None), ("empty", b"")))
    async with transaction(pool) as connection:
        await append(connection, sent)
    async with relaying():
        await drained(pool)
    assert broker.got == [sent]


async def test_what_is_rolled_back_is_never_published(pool, broker, relaying):
    async def fail():
        async with transaction(pool) as connection:
            await append(connection, message(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    await committed(pool, 2)
    async with relaying():
        await drained(pool)
    assert broker.values == [2]


async def test_a_commit_wakes_the_relay(pool, broker, relaying):
    async with relaying(interval_s=60):
        await committed(pool, 1)
        await broker.has(1)
        await asyncio.sleep(0.2)  # now it listens and nothing is left
        await committed(pool, 2)
        await broker.has(2)


async def test_more_than_a_batch_keeps_its_order(pool, broker, relaying):
    await committed(pool, *range(100))
    async with relaying(batch=7):
        await drained(pool)
    assert broker.values == list(range(100))


async def test_what_commits_late_is_neither_skipped_nor_overtaken(pool, broker, relaying):
    """The classic trap: the second transaction commits first, and a reader that trusts positions loses the first."""
    async with pool.acquire() as first, relaying():
        slow = first.transaction()
        await slow.start()
        await append(first, message(1, b"x"))
        await committed(pool, 2, key=b"y")
        await asyncio.sleep(0.4)
        assert broker.values == []  # 2 has committed, but what is older has not ended
        await slow.commit()
        await drained(pool)
    assert sorted(broker.values) == [1, 2]


async def test_an_open_transaction_that_rolls_back_frees_those_behind_it(pool, broker, relaying):
    async with pool.acquire() as first, relaying():
        slow = first.transaction()
        await slow.start()
        await append(first, message(1))
        await committed(pool, 2)
        await slow.rollback()
        await drained(pool)
    assert broker.values == [2]


async def test_of_two_that_change_one_aggregate_the_later_one_comes_later_though_its_id_is_lower(
    pool, broker, relaying
):
    await pool.execute("create table aggregate (x int); insert into aggregate values (0)")
    change = "update aggregate set x = x + 1"
    async with pool.acquire() as one, pool.acquire() as two:
        first, second = one.transaction(), two.transaction()
        await second.start()
        lower = await two.fetchval("select pg_current_xact_id()::text::bigint")  # its id is given here,
        await first.start()
        await one.execute(change)  # but it is the other one that locks the aggregate first
        waiting = asyncio.create_task(two.execute(change))
        await append(one, message(1))
        assert lower < await one.fetchval("select pg_current_xact_id()::text::bigint")
        await first.commit()
        await waiting
        await append(two, message(2))
        await second.commit()
    async with relaying():
        await drained(pool)
    assert broker.values == [1, 2]


async def test_an_unrelated_transaction_that_ends_without_a_notification_is_noticed(pool, broker, relaying):
    await pool.execute("create table other (x int)")
    async with pool.acquire() as one, relaying():
        unrelated = one.transaction()
        await unrelated.start()
        await one.execute("insert into other values (1)")
        await committed(pool, 1)
        await asyncio.sleep(0.3)
        assert broker.values == []
        await unrelated.commit()
        await broker.has(1)


async def test_a_crash_between_ack_and_deletion_publishes_again(pool, broker, relaying):
    await committed(pool, 1, 2)
    async with relaying(), pool.acquire() as other:
        # The rows are locked, so that the relay stands between ack and deletion when its connection is cut.
        locked = other.transaction()
        await locked.start()
        await other.execute("select from outbox for update")
        await broker.has(2)
        deleting = (
            "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like 'DELETE%'"
            " and datname = current_database()"
        )
        async with asyncio.timeout(60):
            while not (relay := await pool.fetchval(deleting)):
                await asyncio.sleep(0.01)
        await pool.execute("select pg_terminate_backend($1)", relay)
        await locked.rollback()
        await drained(pool)
    assert broker.values == [1, 2, 1, 2]


async def test_a_relay_that_is_stopped_deletes_what_was_acked(pool, broker, relaying):
    await committed(pool, 1, 2, 3)
    broker.fail = lambda message: broker.hold.clear() if message.value == b"2" else None
    async with relaying():
        await broker.has(2)
    assert await pool.fetchval("select array_agg(value order by position) from outbox") == [b"2", b"3"]


async def test_a_message_that_fails_holds_back_its_own_key_alone(pool, broker, relaying):
    await committed(pool, 1, 2)
    await committed(pool, 3, key=b"other")
    broker.fail = lambda message: ConnectionError() if message.value == b"1" else None
    async with relaying():
        await broker.has(1)
        await asyncio.sleep(0.2)
        assert broker.values == [3]
        broker.fail = lambda _message: None
        await drained(pool)
    assert broker.values == [3, 1, 2]


async def test_of_two_relays_one_publishes(pool, broker, relaying):
    other = Broker()
    async with relaying(), relaying(other):
        for number in range(50):
            await committed(pool, number)
        await drained(pool)
    assert sorted([broker.values, other.values]) == [[], list(range(50))]


async def test_another_relay_takes_over_when_the_leaders_connection_ends(pool, broker, relaying):
    other = Broker()
    async with relaying() as leader:
        await committed(pool, 1)
        await drained(pool)
        async with relaying(other):
            broker.fail = lambda _message: ConnectionError()
            leading = await pool.fetchval(f"select pid from {ADVISORY} and granted")  # noqa: S608 - a constant
            await pool.execute("select pg_terminate_backend($1)", leading)
            leader.cancel()
            await committed(pool, 2)
            await drained(pool)
    assert (broker.values, other.values) == ([1], [2])


async def test_a_relay_comes_back_after_its_connection_was_cut(pool, broker, relaying):
    async with relaying():
        await committed(pool, 1)
        await broker.has(1)
        for _ in range(3):
            await pool.execute(f"select pg_terminate_backend(pid) from {ADVISORY}")  # noqa: S608 - a constant
            await asyncio.sleep(0.1)
        await committed(pool, 2)
        await drained(pool)
    assert broker.values[-1] == 2


async def test_a_relay_comes_back_after_its_link_was_dead(pool, broker, link, monkeypatch):
    for name in ("_RETRY_S", "STATEMENT_TIMEOUT_S", "CONNECT_TIMEOUT_S"):
        monkeypatch.setattr(f"metaqore_mesh.database.relay.{name}", 0.2)
    relay = OutboxRelay(link.url, broker.publish, "test", interval_s=0.1)
    running = asyncio.create_task(relay.run())
    await committed(pool, 1)
    await drained(pool)
    link.open.clear()
    await committed(pool, 2)
    await asyncio.sleep(1)
    assert broker.values == [1]
    link.open.set()
    await drained(pool)
    assert broker.values == [1, 2]
    running.cancel()


async def test_rows_restored_from_another_server_are_published(pool, broker, relaying):
    await committed(pool, 1)
    await pool.execute("update outbox set transaction_id = '99999999999'")
    async with relaying():
        await drained(pool)
    assert broker.values == [1]


async def test_many_writers_at_once_lose_and_swap_nothing(pool, broker, relaying):
    """Transactions that end in any order, some of them rolled back, while the relay runs."""

    async def write(key):
        for number in range(20):
            async with pool.acquire() as connection:
                work = connection.transaction()
                await work.start()
                await append(connection, message(number, key))
                await asyncio.sleep(0.001 * (number % 4))
                await (work.rollback() if number % 5 == 4 else work.commit())

    async with relaying(batch=5):
        await asyncio.gather(*(write(b"%d" % key) for key in range(8)))
        await drained(pool)
    kept = [number for number in range(20) if number % 5 != 4]
    for key in range(8):
        assert [int(got.value) for got in broker.got if got.key == b"%d" % key] == kept


async def test_the_statements_serve_as_a_migration(pool, database_url, tmp_path, monkeypatch):
    await pool.execute("drop table outbox; drop function announce_outbox")
    versions = tmp_path / "outbox_steps" / "versions"
    versions.mkdir(parents=True)
    for directory in (versions, versions.parent):
        (directory / "__init__.py").write_text("")
    (versions / "first.py").write_text(
        "from alembic import op\n"
        "from metaqore_mesh.database.inbox import INBOX\n"
        "from metaqore_mesh.database.outbox import OUTBOX\n"
        "revision, down_revision = '1', None\n"
        "def upgrade():\n"
        "    for statement in (*OUTBOX, *INBOX):\n"
        "        op.execute(statement)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    await migrate(database_url, "outbox_steps")
    await committed(pool, 1)
