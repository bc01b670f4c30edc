"""A version may say for which task it was made, and then there is such a task in its project."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from metaqore_ai_gateway.service.psmp.governed import Given
from metaqore_ai_gateway.service.psmp.named_tasks import CheckTasks
from metaqore_governance_core.contracts.psmp import CommandSubmitted
from metaqore_governance_core.identity import Door

from .conftest import new_version


@pytest.mark.parametrize("named", ["01a1ffff-0000-7000-8000-000000000000", "no such task", "a\u2028b"])
@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_version_is_made_for_a_task_that_is_there(world, named, dry_run):
    new = {"artifact_name": "a", "content_text": "x", "provenance": {"task": named}}
    for name, fields in (("artifact.propose", {"proposals": [{"created": new}]}), ("artifact.draft", {"version": new})):
        refused = await world.refused("ann", name, dry_run=dry_run, **fields)
        assert (refused.code, refused.reasons) == ("task_missing", (named,))
        assert named in refused.message
    assert await world.texts() == 0


async def test_a_task_of_another_project_is_none_of_this_one(world):
    other = (await world.do("ann", "project.create", project_name="other", project="")).project
    task = (await world.do("ann", "task.open", title="t", project=other)).changed[0].id
    new = {"artifact_name": "a", "content_text": "x", "provenance": {"task": task}}
    refused = await world.refused("ann", "artifact.propose", proposals=[{"created": new}])
    assert refused.code == "task_missing"
    assert other in refused.message


async def test_a_task_that_came_through_a_door_may_be_named(world):
    task = "01a1ffff-0000-7000-8000-00000000000a"
    tasks = SimpleNamespace(get=lambda organization, id_: _view(world, organization, id_, task))
    carry_out = replace(world.psmp.gate.carry_out, tasks=CheckTasks(world.psmp.gate.find_target.places, tasks))
    world.psmp = replace(world.psmp, gate=replace(world.psmp.gate, carry_out=carry_out))
    answer = await world.propose("ann", "a", provenance={"task": task})
    assert answer.changed[0].artifact.versions[0].content.provenance.task == task


async def test_what_comes_of_a_task_need_not_wait_until_its_project_has_heard_of_it(world):
    new = new_version("a", provenance={"task": "01a1ffff-0000-7000-8000-00000000000b"})
    command = CommandSubmitted.model_validate(
        {"command": {"name": "artifact.propose", "proposals": [{"created": new}]}}
    )
    task = new["provenance"]["task"]
    answer = await world.psmp.gate(Given(world.caller("ann"), Door.REST, command.command, world.project, task=task))
    assert answer.changed[0].artifact.versions[0].content.provenance.task == task


async def _view(world, organization, id_, task):
    return SimpleNamespace(project=world.project) if (organization, id_) == (world.organization, task) else None
