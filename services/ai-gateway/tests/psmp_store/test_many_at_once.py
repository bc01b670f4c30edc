"""Many processes' worth of writers in one project: never two active, never a clashing pair, never a gap."""

import asyncio
import itertools
import random

import pytest

from metaqore_ai_gateway.adapters.psmp.project_store import PostgresProjectStore
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Kind
from metaqore_ai_gateway.service.psmp.project_queues import ProjectQueues
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.canonical_state import state_bytes
from metaqore_governance_core.psmp.conflicts.judge import conflicts_of
from metaqore_governance_core.psmp.declared import declaration_of
from metaqore_governance_core.psmp.refusal import PsmpRefusedError

OF = ("acme", "garden")
NEEDS = ("numpy<2", "numpy>=2", "scipy<1", "scipy>=1")


@pytest.fixture
def hands(pool, team):
    """Three gateways, each with queues of its own, on one database."""
    clock = itertools.count(next(team.clock) + 10_000)
    made = []
    for _ in range(3):
        hand = type(team)(ProjectQueues(PostgresProjectStore(pool)))
        hand.clock = clock
        made.append(hand)
    return made


async def life(hand, chance):
    """One agent that proposes and activates among few names, paths and packages."""
    for _ in range(8):
        name = f"a{chance.randrange(6)}"
        asked = chance.choice(
            [
                hand.proposal(name, paths=[f"{chance.randrange(4)}.py"], needs=[chance.choice(NEEDS)]),
                hand.proposal(name, paths=[f"dir{chance.randrange(2)}/{chance.randrange(3)}.py"]),
                (hand.ask(name, c.Activate, (), by=hand.bob),),
                (hand.ask(name, c.Activate, (), by=hand.bob),),
                (hand.ask(name, c.Reject, "no", by=hand.bob),),
                (hand.ask(name, c.Deprecate, "old", version=1),),
            ]
        )
        (result,) = await asyncio.gather(hand.do(*asked), return_exceptions=True)
        if isinstance(result, BaseException):
            assert isinstance(result, PsmpRefusedError), result


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_clashing_pair_slips_through(hands, history, store, seed):
    agents = [(hand, random.Random(f"{seed} {at}")) for at, hand in enumerate(hands * 6)]  # noqa: S311 - by a seed
    await asyncio.gather(*(life(hand, chance) for hand, chance in agents))
    await check(history, store)


async def test_of_proposals_that_all_clash_one_stands(hands, history, store):
    await asyncio.gather(*(hand.propose(f"a{at}-{id(hand)}", paths=["same.py"]) for hand in hands for at in range(8)))
    page = await history.page(*OF, await history.newest(*OF))
    phases = [one.versions[-1].phase for one in page.artifacts]
    assert sorted(phases) == sorted([Phase.PROPOSED, *[Phase.BLOCKED] * 23])
    await check(history, store)


async def test_of_activations_of_two_versions_one_is_active(hands, store):
    for _ in range(2):
        await hands[0].propose("one", paths=["a"])
    await asyncio.gather(
        *(hand.activate("one", version=number) for hand in hands for number in (1, 2)), return_exceptions=True
    )
    state = await hands[0].state(store, "one")
    assert [version.phase for version in state.versions].count(Phase.ACTIVE) == 1


async def check(history, store):
    """What must hold at every moment, looked at once all is quiet."""
    happened = await history.events(*OF, size=100_000)
    assert [one.version for one in happened] == list(range(1, len(happened) + 1))
    page = await history.page(*OF, len(happened), size=1000)
    refs = {one.of for one in happened}
    async with store.open(*OF) as opened:
        stored = await opened.aggregates(refs)
    states = {ref.id: one.state for ref, one in stored.items() if ref.kind is Kind.ARTIFACT}
    assert {one.name: state_bytes(one) for one in page.artifacts} == {
        name: state_bytes(state) for name, state in states.items()
    }
    standing = []
    for artifact in states.values():
        assert [version.phase for version in artifact.versions].count(Phase.ACTIVE) <= 1
        phases = {Phase.ACTIVE, Phase.PROPOSED}
        standing += [declaration_of(artifact, one, 0) for one in artifact.versions if one.phase in phases]
    for one, other in itertools.permutations(standing, 2):
        shared = {}
        for key, entry in other.stored():
            shared.setdefault(key, []).append(entry)
        assert [found.explanation for found in conflicts_of(one, shared) if found.blocks] == []
    await check_index(store, standing)


async def check_index(store, standing):
    expected = {(key, one.party.artifact, one.party.version) for one in standing for key, _ in one.stored()}
    async with store.open(*OF) as opened:
        found = await opened.complete({key for key, _, _ in expected})
    assert {(key, one.holder.party, one.holder.number) for key, some in found.items() for one in some} == expected
    async with of_organization(store.pool, OF[0]) as connection:
        assert await connection.fetchval("select count(*) from psmp_conflict_entries") == len(expected)
