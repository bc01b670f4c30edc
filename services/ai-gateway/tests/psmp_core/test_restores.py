"""Restores: it is the checkpoint that is named which comes back, whatever others are called and whoever works now."""

from metaqore_ai_gateway.service.psmp.ids import artifact_id

LEASE_US = 600_000_000


async def test_a_checkpoint_with_the_id_of_another_as_its_name_is_restored_as_itself(world):
    own = artifact_id(world.organization, world.project, "a")
    await _stands(world, "a", 1)
    first = await _taken(world, "first")
    await _stands(world, "a", 2)
    second = await _taken(world, first.id)
    await _stands(world, "a", 3)
    back = {"checkpoint": second.id, "why": "back", "key": "once"}
    answer, repeat = [await world.do("eve", "checkpoint.restore", **back) for _ in range(2)]
    assert await world.body("ann", own, 4) == b"text 2"
    assert repeat.differences == answer.differences


async def test_what_was_made_for_a_task_comes_back_while_somebody_holds_it(world):
    task = (await world.do("ann", "task.open", title="write it")).changed[0].id
    await world.do("ann", "task.claim", task=task, lease_us=LEASE_US)
    await _stands(world, "a", 1, provenance={"task": task})
    taken = await _taken(world, "then")
    await _stands(world, "a", 2, provenance={"task": task})
    answer = await world.do("eve", "checkpoint.restore", checkpoint=taken.id, why="back")
    assert answer.changed[0].artifact.active.content.provenance.task == task


async def _stands(world, name, number, **more):
    own = (await world.propose("ann", name, text=f"text {number}", **more)).changed[0].id
    await world.do("bob", "artifact.activate", artifact=own, version=number)


async def _taken(world, name):
    return (await world.do("ann", "checkpoint.take", checkpoint_name=name)).checkpoint
