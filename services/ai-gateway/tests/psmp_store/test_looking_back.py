"""The past: at a version, a time or a checkpoint, bit for bit."""

import asyncio
import time

import pytest

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.folding import beginning, evolve
from metaqore_ai_gateway.service.psmp.points import AtCheckpoint, AtTime, AtVersion
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.canonical_state import state_bytes

pytestmark = pytest.mark.slow

OF = ("acme", "garden")


def now_us():
    return time.time_ns() // 1000


@pytest.fixture
async def busy(team):
    """Some life: conflicts, successors, ends, and an artifact with more events than a snapshot waits for."""
    for at in range(12):
        await team.propose(f"a{at:02}", paths=[f"{at % 8}.py"], needs=["numpy<2" if at % 3 else "numpy>=2"])
    for at in (0, 1, 2, 3):
        await asyncio.gather(team.activate(f"a{at:02}"), return_exceptions=True)
    for at in range(45):
        await team.do(*team.proposal("long", paths=["long.py"], body="0123456789abcdef"[at % 16]))
        await team.activate("long")
    return team


async def states_by_folding(history):
    """The states after each version, from nothing but the events."""
    states, at_each = {}, [{}]
    for one in await history.events(*OF, size=10_000):
        states = {**states, one.of: evolve(states.get(one.of) or beginning(one.of.kind), one.event)}
        at_each.append(states)
    return at_each


async def test_every_version_is_what_its_events_say_bit_for_bit(busy, history):
    expected = await states_by_folding(history)
    for version in range(0, len(expected), 7):
        artifacts = {ref.id: state for ref, state in expected[version].items() if ref.kind is Kind.ARTIFACT}
        page = await history.page(*OF, version)
        assert {one.name: state_bytes(one) for one in page.artifacts} == {
            name: state_bytes(state) for name, state in artifacts.items()
        }
        ref = Ref(Kind.PROJECT, "garden")
        found = await history.state(*OF, version, ref)
        assert found == expected[version].get(ref)
    assert busy


async def test_versions_have_no_gap_and_the_states_of_now_are_those_of_the_events(busy, history, store):
    happened = await history.events(*OF, size=10_000)
    assert [one.version for one in happened] == list(range(1, len(happened) + 1))
    expected = (await states_by_folding(history))[-1]
    async with store.open(*OF) as opened:
        stored = await opened.aggregates(list(expected))
    assert {ref: state_bytes(one.state) for ref, one in stored.items()} == {
        ref: state_bytes(state) for ref, state in expected.items()
    }
    assert busy


async def test_pages_go_through_all_of_a_version_by_name(busy, history):
    version, names, after = await history.newest(*OF), [], ""
    while after is not None:
        page = await history.page(*OF, version, after=after, size=5)
        names += [one.name for one in page.artifacts]
        after = page.after
    assert names == sorted([f"a{at:02}" for at in range(12)] + ["long"])
    assert busy


async def test_a_time_is_the_last_version_committed_by_then(team, history):
    await team.propose("one")
    between = now_us()
    await asyncio.sleep(0.01)
    await team.propose("two")
    assert await history.version_at(*OF, AtTime(between)) == 3
    assert await history.version_at(*OF, AtTime(now_us())) == 5
    assert await history.version_at(*OF, AtTime(0)) == 0


async def test_a_time_waits_for_whoever_may_still_commit_into_it(team, history, store):
    async with store.open(*OF):
        looking = asyncio.create_task(history.version_at(*OF, AtTime(now_us())))
        await asyncio.sleep(0.2)
        assert not looking.done()
    assert await looking == 1
    assert team


async def test_a_checkpoint_names_a_version_for_ever(team, history, checkpoints):
    await team.propose("one")
    taken = await checkpoints.take(*OF, "first", by="ann", at_us=1, description="before the storm")
    await team.propose("two")
    assert await history.version_at(*OF, AtCheckpoint("first")) == taken.version == 3
    with pytest.raises(MetaQoreError, match="Choose another"):
        await checkpoints.take(*OF, "first", by="ann", at_us=1)
    assert await checkpoints.page(*OF) == [taken]


async def test_a_difference_tells_both_sides(team, history):
    await team.stand("one", paths=["a"])
    low = await history.newest(*OF)
    await team.stand("two", paths=["b"])
    await team.do(team.ask("one", c.Deprecate, "old", version=1))
    found = await history.differences(*OF, low, await history.newest(*OF))
    assert [one.name for one in found.found] == ["one", "two"]
    one, two = found.found
    assert one.active[0].phase is Phase.ACTIVE
    assert one.active[1] is None
    assert (two.before.versions, two.active[1].number) == ((), 1)


@pytest.mark.parametrize(
    ("point", "code"),
    [
        pytest.param(AtVersion(99), "version_missing", id="a version to come"),
        pytest.param(AtCheckpoint("none"), "checkpoint_missing", id="an unknown checkpoint"),
    ],
)
async def test_a_point_that_is_not_there_is_refused(team, history, point, code):
    with pytest.raises(MetaQoreError) as refused:
        await history.version_at(*OF, point)
    assert refused.value.code == code
    assert team
