"""A checkpoint comes back: as new versions, all at once, after it was shown."""

import pytest

from metaqore_ai_gateway.service.psmp.asked import Kind, Ref
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.points import AtCheckpoint
from metaqore_ai_gateway.service.psmp.restore import RestoreCheckpoint, Restored
from metaqore_ai_gateway.service.psmp.standing import Holder
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp.artifact_state import Phase

OF = ("acme", "garden")


@pytest.fixture
async def then(team, checkpoints):
    """`kept` and `changed` and `ended` stand; then the checkpoint; then everything that can happen happens."""
    await team.stand("kept", paths=["kept.py"])
    await team.stand("changed", paths=["changed.py"], body="1")
    await team.stand("ended", paths=["ended.py"])
    await checkpoints.take(*OF, "then", by="ann", at_us=1)
    await team.stand("changed", paths=["other.py"], body="2")
    await team.do(team.ask("ended", c.Deprecate, "old"))
    await team.stand("added", paths=["changed.py"])
    await team.propose("open", paths=["ended.py"])
    return team


@pytest.fixture
def restore(team, history, kept_bodies):
    return RestoreCheckpoint(history, team.queues, kept_bodies)


def wanted(team):
    return Restored("restore-1", *OF, AtCheckpoint("then"), team.bob, next(team.clock), "back to what worked")


async def test_the_plan_shows_differences_and_whom_it_would_block_and_changes_nothing(then, restore, history):
    before = await history.newest(*OF)
    plan = await restore.plan(wanted(then))
    assert [one.name for one in plan.differences] == ["added", "changed", "ended"]
    assert plan.would_block == (Holder("open", 1),)
    assert await history.newest(*OF) == before == plan.version


async def test_it_makes_new_versions_with_the_bodies_of_then(then, restore, store):
    await restore(wanted(then))
    states = {name: await then.state(store, name) for name in ("kept", "changed", "ended", "added", "open")}
    assert states["kept"].active.number == 1
    assert (states["changed"].active.number, states["changed"].active.content.body.digest) == (3, "1" * 64)
    assert states["changed"].active.content.provenance.parents == (f"{artifact_id(*OF, 'changed')}@1",)
    assert states["ended"].active.number == 2
    assert states["added"].active is None
    assert states["open"].versions[0].phase is Phase.BLOCKED


async def test_once_restored_there_is_nothing_to_restore(then, restore):
    await restore(wanted(then))
    assert (await restore.plan(wanted(then))).differences == ()


async def test_what_is_made_is_what_was_shown(then, restore):
    plan = await restore.plan(wanted(then))
    await then.propose("meanwhile")
    with pytest.raises(MetaQoreError) as refused:
        await restore(wanted(then), shown_at=plan.version)
    assert refused.value.code == "version_stale"


async def test_a_body_that_is_erased_does_not_come_back(then, restore):
    await then.do(then.ask("changed", c.EraseBody, "law", version=1))
    with pytest.raises(MetaQoreError) as refused:
        await restore.plan(wanted(then))
    assert refused.value.reasons == ("changed",)


async def test_it_is_one_submission(then, restore, history, pool):
    outcome = await restore(wanted(then))
    assert outcome.version == await history.newest(*OF)
    assert {one.of for one in outcome.happened} == {
        Ref(Kind.ARTIFACT, name) for name in ("added", "changed", "ended", "open")
    }
    assert pool
