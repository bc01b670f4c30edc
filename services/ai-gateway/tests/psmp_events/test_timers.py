"""What time is over for happens once, in the mesh's own name, and nothing that is refused holds up the rest."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest

from metaqore_ai_gateway.service.psmp import timers
from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.due import Due
from metaqore_ai_gateway.service.psmp.timers import Timers
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.actor import SYSTEM
from metaqore_governance_core.psmp.artifact_commands import Lapse
from metaqore_governance_core.psmp.refusal import conflict
from metaqore_governance_core.psmp.work import Expire

PROPOSAL = Due("acme", "garden", Ref(Kind.ARTIFACT, "app"), 2, "lapse", 900)
LEASE = Due("acme", "garden", Ref(Kind.TASK, "task-1"), None, "lease", 950)


class Projects:
    """Holds what is due until it has happened; refuses what it is told to."""

    def __init__(self, *due, refuses=()):
        self.left, self.refuses, self.seen = list(due), set(refuses), []
        self.limits = []

    async def due(self, now_us, limit):
        assert now_us == 1_000
        self.limits.append(limit)
        return self.left[:limit]

    async def submit(self, submission):
        self.seen.append(submission)
        (asked,) = submission.asked
        await asyncio.sleep(0)
        if asked.of.id in self.refuses:
            raise conflict("wrong_phase", "It is not so any more.")
        self.left = [one for one in self.left if one.of != asked.of]


def timers_of(projects, **options):
    ids = map(str, itertools.count())
    return Timers(projects, projects.submit, lambda: 1_000, lambda: next(ids), **options)


async def test_proposals_lapse_and_leases_expire():
    projects = Projects(PROPOSAL, LEASE)
    assert not await timers_of(projects).once()
    lapse, expire = projects.seen
    assert (lapse.organization, lapse.project, lapse.id) == ("acme", "garden", "system:0")
    assert lapse.asked == (Asked(PROPOSAL.of, Lapse(SYSTEM, 1_000, 2)),)
    assert (expire.id, expire.asked) == ("system:1", (Asked(LEASE.of, Expire(SYSTEM, 1_000)),))
    assert projects.left == []


async def test_what_another_process_did_is_no_error():
    projects = Projects(PROPOSAL, LEASE, refuses=["app"])
    assert not await timers_of(projects).once()
    assert projects.left == [PROPOSAL]


async def test_what_is_always_refused_does_not_stand_before_the_rest(monkeypatch):
    monkeypatch.setattr(timers, "BATCH", 2)
    stuck = [Due("acme", "garden", Ref(Kind.ARTIFACT, f"stuck{at}"), 1, "lapse", 900) for at in range(2)]
    projects = Projects(*stuck, PROPOSAL, LEASE, refuses=["stuck0", "stuck1"])
    running = timers_of(projects)
    await running.once()
    await running.once()
    assert projects.left == stuck


async def test_more_than_a_batch_is_done_without_waiting(monkeypatch):
    monkeypatch.setattr(timers, "BATCH", 2)
    many = [Due("acme", "garden", Ref(Kind.TASK, f"t{at}"), None, "lease", 950) for at in range(5)]
    projects = Projects(*many)
    running = asyncio.create_task(timers_of(projects, interval_s=60).run())
    async with asyncio.timeout(60):
        while projects.left:
            await asyncio.sleep(0)
    running.cancel()
    assert projects.limits[:3] == [2, 2, 2]


@pytest.mark.parametrize("error", [MetaQoreError("database_unavailable", "", kind=ErrorKind.UNAVAILABLE), OSError()])
async def test_it_outlives_a_database_that_is_away(error):
    projects = Projects(PROPOSAL)
    found, failures = projects.due, [error, error]

    async def away(now_us, limit):
        if failures:
            raise failures.pop()
        return await found(now_us, limit)

    projects.due = away
    running = asyncio.create_task(timers_of(projects, interval_s=0.001).run())
    async with asyncio.timeout(60):
        while projects.left:
            await asyncio.sleep(0.001)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
