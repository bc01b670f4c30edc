"""From records in a real spool to what a project is told, across a failure and a restart."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from written_records import decision, outcome

from metaqore_ai_gateway.adapters.psmp.told_tasks import TOLD, ToldTasks
from metaqore_ai_gateway.adapters.spool_follower import SpoolFollower
from metaqore_ai_gateway.service.psmp.asked import Kind, Outcome, Ref
from metaqore_ai_gateway.service.psmp.places import Place
from metaqore_ai_gateway.service.psmp.seen_tasks import SeeTasks
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_mesh.keys import WriterKey
from metaqore_mesh.spool import FileSpool


class Garden:
    """The project of all tasks. It is away at first, and counts what it is told."""

    def __init__(self, enough):
        self.told, self.enough, self.is_full, self.faults = [], enough, asyncio.Event(), 3

    async def place(self, _organization, kind, id_):
        return Place("garden", Ref(kind, id_)) if kind is Kind.PROJECT and id_ == "garden" else None

    async def submit(self, submission):
        if self.faults:
            self.faults -= 1
            raise MetaQoreError("database_unavailable", "away", kind=ErrorKind.UNAVAILABLE, retryable=True)
        self.told.append(submission.id)
        if len(set(self.told)) == self.enough:
            self.is_full.set()
        return Outcome(0, ())


@pytest.fixture
async def spool(tmp_path):
    async with await FileSpool.open(
        tmp_path, WriterKey("writer-1", Ed25519PrivateKey.generate()), holders=[TOLD]
    ) as spool:
        yield spool


def numbered(record, given):
    return replace(
        record,
        sequence=given.sequence,
        organization_sequence=given.organization_sequence,
        writer=given.writer,
    )


async def write(spool, numbers):
    """A decision and an outcome for each; every other task names no project."""
    for number in numbers:
        made = replace(decision(1, task=f"t{number}"), project="garden" if number % 2 else None)
        decided = await spool.append("org_1", partial(numbered, made))
        await spool.append("org_1", partial(numbered, replace(outcome(1, made), decision=decided.leaf_hash.hex())))


async def follow(pool, spool, garden):
    """Until the garden is told of all, and the place is saved."""
    saved = asyncio.Event()
    last = spool.durable_through
    follower = SpoolFollower(
        pool,
        spool,
        TOLD,
        ToldTasks(SeeTasks(garden, garden, lambda _: None)),
        gather_s=0.0,
        handled=lambda position: saved.set() if position >= last else None,
    )
    async with asyncio.timeout(60):
        running = asyncio.create_task(follower.run())
        await garden.is_full.wait()
        await saved.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_project_hears_in_order_of_the_tasks_that_name_it_and_goes_on_after_a_restart(pool, spool):
    await write(spool, range(20))
    first = Garden(enough=20)
    await follow(pool, spool, first)
    for number in range(1, 20, 2):
        started, finished = f"system:t{number}/started", f"system:t{number}/finished"
        assert first.told.index(started) < first.told.index(finished)
    await write(spool, range(20, 24))
    second = Garden(enough=4)
    await follow(pool, spool, second)
    # What is told again after a failure has the same id, by which a project knows it.
    assert set(second.told) == {f"system:t{number}/{what}" for number in (21, 23) for what in ("started", "finished")}
