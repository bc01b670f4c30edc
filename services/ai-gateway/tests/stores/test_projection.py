import asyncio
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from written_records import command

from metaqore_ai_gateway.adapters.projection import PROJECTED, TaskProjection
from metaqore_ai_gateway.adapters.spool_follower import SpoolFollower
from metaqore_ai_gateway.adapters.tasks_store import PostgresTaskStore
from metaqore_ai_gateway.domain.task_view import Page, read_page_token
from metaqore_ai_gateway.service.tasks import GetTask, ListTasks
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller
from metaqore_governance_core.ids import uuid7
from metaqore_governance_core.records import Commitment, DecisionRecord, OutcomeRecord, Personal
from metaqore_governance_core.task import TaskState
from metaqore_mesh.keys import WriterKey
from metaqore_mesh.spool import FileSpool

READER = Caller("key_1", "org_1", "alice", frozenset(DEFAULT_SCOPES))


def decided(task, organization="org_1", verdict="permit"):
    def build(numbers):
        return DecisionRecord(
            caller="key_1",
            door="rest",
            findings={"email": 1},
            model="m",
            organization=organization,
            organization_sequence=numbers.organization_sequence,
            personal=Personal("alice ü"),
            policy="default_local_first",
            policy_version="v1",
            project=None,
            prompt=Commitment("aa", "k", 3),
            reasons=("allowpath_allowed",),
            receipt=f"receipt of {task}",
            sensitivity="SENSITIVE",
            sensitivity_sources=("scanner:email",),
            sequence=numbers.sequence,
            task=task,
            time_us=1_000,
            verdict=verdict,
            writer=numbers.writer,
        )

    return build


def ended(task, leaf_hash, organization="org_1", state="done"):
    def build(numbers):
        return OutcomeRecord(
            answer=None,
            attempts=1,
            completion_tokens=4,
            decision=leaf_hash,
            duration_us=7,
            error=None,
            finish_reason="stop",
            locality="local",
            model="m",
            organization=organization,
            organization_sequence=numbers.organization_sequence,
            prompt_tokens=3,
            provider="local",
            receipt=f"receipt of {task}",
            sequence=numbers.sequence,
            state=state,
            task=task,
            time_us=2_000,
            writer=numbers.writer,
        )

    return build


def task_id(number):
    return uuid7(number, bytes(10))


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def writer_key():
    return WriterKey("writer-1", Ed25519PrivateKey.generate())


@pytest.fixture
async def spool(directory, writer_key):
    async with await FileSpool.open(directory, writer_key, holders=("sealed", PROJECTED)) as spool:
        yield spool


class Running:
    """A projection in the background, and a way to wait for it."""

    def __init__(self, pool, spool):
        self.position = 0
        self._moved = asyncio.Event()
        follower = SpoolFollower(
            pool,
            spool,
            PROJECTED,
            TaskProjection(pool, spool.writer),
            saves=False,
            gather_s=0.0,
            handled=self._folded,
        )
        self.task = asyncio.create_task(follower.run())

    def _folded(self, position):
        self.position = position
        self._moved.set()

    async def reached(self, sequence):
        async with asyncio.timeout(60):
            while self.position < sequence:
                self._moved.clear()
                await self._moved.wait()

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def running(pool, spool):
    one = Running(pool, spool)
    yield one
    await one.stop()


async def run_task(spool, task, organization="org_1"):
    decision = await spool.append(organization, decided(task, organization))
    return await spool.append(organization, ended(task, decision.leaf_hash.hex(), organization))


async def test_a_task_is_seen_running_and_then_done(pool, spool, running):
    task = task_id(1)
    decision = await spool.append("org_1", decided(task))
    await running.reached(1)
    seen = await GetTask(PostgresTaskStore(pool))(READER, task)
    assert (seen.state, seen.receipt, seen.ended_us) == ("running", f"receipt of {task}", None)
    await spool.append("org_1", ended(task, decision.leaf_hash.hex()))
    await running.reached(2)
    seen = await GetTask(PostgresTaskStore(pool))(READER, task)
    assert (seen.state, seen.provider, seen.prompt_tokens, seen.ended_us) == ("done", "local", 3, 2_000)
    assert (seen.sensitivity_sources, seen.reasons) == (("scanner:email",), ("allowpath_allowed",))


async def test_decision_and_outcome_in_one_group_are_one_row(pool, spool, running):
    tasks = [task_id(number) for number in range(50)]
    await asyncio.gather(*(run_task(spool, task) for task in tasks))
    await running.reached(100)
    assert await pool.fetchval("select count(*) from tasks where state = 'done'") == 50


async def test_a_command_is_no_task(pool, spool, running):
    def commanded(numbers):
        return replace(
            command(numbers.sequence), organization_sequence=numbers.organization_sequence, writer=numbers.writer
        )

    await spool.append("org_1", commanded)
    await run_task(spool, task_id(1))
    await spool.append("org_1", commanded)
    await running.reached(4)
    assert await pool.fetch("select id, state from tasks") == [(task_id(1), "done")]


async def test_what_was_folded_is_not_folded_again_after_a_restart(pool, spool, running):
    await run_task(spool, task_id(1))
    await running.reached(2)
    await running.stop()
    await run_task(spool, task_id(2))
    again = Running(pool, spool)
    await again.reached(4)
    await again.stop()
    assert await pool.fetchval("select count(*) from tasks") == 2


async def test_a_lost_position_folds_again_and_changes_no_row(pool, spool, running):
    await run_task(spool, task_id(1))
    await running.reached(2)
    await running.stop()
    before = await pool.fetch("select * from tasks")
    await pool.execute("delete from spool_positions")
    again = Running(pool, spool)
    await again.reached(2)
    await again.stop()
    assert await pool.fetch("select * from tasks") == before


async def test_an_outage_is_outlived(pool, spool, running):
    await run_task(spool, task_id(1))
    await running.reached(2)
    await pool.execute("alter table tasks rename to hidden")
    await pool.execute("alter table hidden rename to tasks")
    blocker = await pool.acquire()
    await blocker.execute("begin")
    await blocker.execute("lock table tasks")
    await run_task(spool, task_id(2))
    await asyncio.sleep(0.1)
    await blocker.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> $1",
        await blocker.fetchval("select pg_backend_pid()"),
    )
    await asyncio.sleep(0.1)
    await blocker.execute("rollback")
    await pool.release(blocker)
    await running.reached(4)
    assert await pool.fetchval("select count(*) from tasks") == 2


async def test_the_spool_keeps_what_is_not_folded(spool, running):
    released = []
    spool.release = lambda holder, through: released.append((holder, through))
    await run_task(spool, task_id(1))
    await running.reached(2)
    assert released[-1] == (PROJECTED, 2)


class TestReading:
    async def fill(self, spool, running, count=7):
        for number in range(count):
            await run_task(spool, task_id(number))
        await run_task(spool, task_id(100), "org_2")
        await running.reached(2 * count + 2)

    async def test_pages_are_newest_first_and_whole(self, pool, spool, running):
        await self.fill(spool, running)
        seen, token, pages = [], "", 0
        while True:
            found, token = await ListTasks(PostgresTaskStore(pool))(READER, Page(3, read_page_token(token)))
            seen += [task.id for task in found]
            pages += 1
            if not token:
                break
        assert seen == [task_id(number) for number in reversed(range(7))]
        assert pages == 3

    async def test_a_state_may_be_asked_for(self, pool, spool, running):
        await self.fill(spool, running, 2)
        await spool.append("org_1", decided(task_id(50)))
        await running.reached(7)
        found, _ = await ListTasks(PostgresTaskStore(pool))(READER, Page(10, None, TaskState.RUNNING))
        assert [task.id for task in found] == [task_id(50)]

    async def test_anothers_task_is_not_found(self, pool, spool, running):
        await self.fill(spool, running, 1)
        for task in (task_id(100), "nonsense", "\x00"):
            with pytest.raises(MetaQoreError) as refused:
                await GetTask(PostgresTaskStore(pool))(READER, task)
            assert refused.value.code == "task_not_found"

    @pytest.mark.parametrize("token", ["x", "====", "ä", "AAAA", "4f1d3f"])
    def test_a_token_that_is_none_is_refused(self, token):
        with pytest.raises(MetaQoreError) as refused:
            read_page_token(token)
        assert refused.value.code == "invalid_page_token"
