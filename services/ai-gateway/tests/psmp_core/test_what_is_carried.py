"""What a new version has of those that it was made from: no less sensitive, and declaring what its own text does."""

import pytest

from metaqore_ai_gateway.service.psmp.ids import artifact_id

PERSONAL = "write to ann@example.com\n"


@pytest.mark.parametrize(("standing", "incoming"), [(PERSONAL, ""), ("", PERSONAL)])
async def test_a_merge_is_as_sensitive_as_either_text(world, standing, incoming):
    await world.propose("ann", "a", text=standing, paths=["x.py"])
    merged = await _resolved(world, "bob", "merge", await world.propose("bob", "b", text=incoming, paths=["x.py"]))
    assert merged.content.sensitivity == "SENSITIVE"


async def test_a_merge_moves_what_either_moves(world):
    moved = [[{"from_path": f"{name}/old", "to_path": f"{name}/new"}] for name in "ab"]
    await _offer(world, "ann", "a", paths=["x.py"], renames=moved[0])
    merged = await _resolved(world, "bob", "merge", await _offer(world, "bob", "b", paths=["x.py"], renames=moved[1]))
    assert merged.content.renames == (("a/old", "a/new"), ("b/old", "b/new"))


async def test_a_merged_manifest_declares_what_its_own_text_does(world):
    by_hand = [{"ecosystem": "python", "name": "six", "text": "six"}]
    await _offer(world, "ann", "requirements.txt", "numpy<2\n", dependencies=by_hand)
    answer = await _offer(world, "bob", "requirements.txt", "numpy>=2\n")
    uploaded = await world.psmp.uploads.put(world.caller("bob"), _pieces(b"numpy>=2\nscipy\n"), "text/plain")
    merged = await _resolved(world, "bob", "merge", answer, content_digest=uploaded.digest)
    assert {one.text for one in merged.content.dependencies} == {"six", "numpy>=2", "scipy"}
    assert merged.phase == "proposed"


@pytest.mark.parametrize(("who", "for_task"), [("ann", True), ("eve", False)])
@pytest.mark.parametrize("choice", ["merge", "supersede"])
async def test_who_resolves_does_not_work_on_the_task_of_who_offered(world, choice, who, for_task):
    await world.do("ann", "project.set_policy", policy={"may_resolve_own": True}, why="so that all may")
    task = (await world.do("ann", "task.open", title="write it")).changed[0].id
    await world.do("ann", "task.claim", task=task, lease_us=600_000_000)
    await world.propose("bob", "b", text="", paths=["x.py"])
    answer = await world.propose("ann", "a", paths=["x.py"], provenance={"task": task})
    made = await _resolved(world, who, choice, answer)
    assert (made.phase, made.content.provenance.task) == ("proposed", task if for_task else "")


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_text_that_is_erased_supersedes_nothing(world, dry_run):
    await world.propose("ann", "a", paths=["x.py"])
    blocked = await world.propose("bob", "b", text="gone", paths=["x.py"])
    [open_], own = blocked.conflicts, {"artifact": blocked.changed[0].id, "version": 1}
    await world.do("eve", "artifact.erase_body", **own, why="asked for")
    chosen = {"conflict": open_.conflict.id, "choice": "supersede", "why": "w", "dry_run": dry_run}
    assert (await world.refused("eve", "conflict.resolve", **own, **chosen)).code == "content_missing"


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_draft_whose_text_is_erased_is_not_proposed_until_it_is_back(world, dry_run):
    drafted = await world.do("ann", "artifact.draft", version=_new("a", "gone"))
    own = {"artifact": drafted.changed[0].id, "version": 1}
    await world.do("eve", "artifact.erase_body", **own, why="asked for")
    proposals = [{"draft": own}]
    refused = await world.refused("ann", "artifact.propose", proposals=proposals, dry_run=dry_run)
    assert (refused.code, "version 1" in refused.message) == ("body_erased", True)
    await world.psmp.uploads.put(world.caller("bob"), _pieces(b"gone"), "text/plain")
    await world.do("ann", "artifact.propose", proposals=proposals)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_text_that_is_erased_does_not_count_until_it_is_back(world, dry_run):
    offered = await world.propose("ann", "a", text="gone")
    own = {"artifact": offered.changed[0].id, "version": 1}
    await world.do("eve", "artifact.erase_body", **own, why="asked for")
    assert (await world.refused("bob", "artifact.activate", **own, dry_run=dry_run)).code == "body_erased"
    assert (await world.refused("ann", "artifact.activate", **own)).code == "own_proposal"
    await world.psmp.uploads.put(world.caller("bob"), _pieces(b"gone"), "text/plain")
    await world.do("bob", "artifact.activate", **own)


async def test_an_amended_draft_stays_as_sensitive_as_its_text(world):
    made = await world.do("ann", "artifact.draft", version=_new("a", PERSONAL))
    declarations = {"paths": ["y.py"], "sensitivity": "PUBLIC"}
    own = {"artifact": made.changed[0].id, "version": 1}
    amended = await world.do("ann", "artifact.amend", **own, declarations=declarations)
    assert amended.changed[0].artifact.versions[0].content.sensitivity == "SENSITIVE"


async def test_a_body_that_is_named_is_as_sensitive_as_it_was_found_to_be(world):
    digest = (await world.psmp.uploads.put(world.caller("ann"), _pieces(PERSONAL.encode()), "text/plain")).digest
    new = {"artifact_name": "a", "content_digest": digest, "declarations": {"sensitivity": "PUBLIC"}}
    offered = await world.do("ann", "artifact.propose", proposals=[{"created": new}])
    assert offered.changed[0].artifact.versions[0].content.sensitivity == "SENSITIVE"
    assert (await world.records())[-1]["sensitivity"] == "SENSITIVE"

    drafted = await world.do("ann", "artifact.draft", version={**new, "artifact_name": "b"})
    assert drafted.changed[0].artifact.versions[0].content.sensitivity == "SENSITIVE"


async def test_a_body_that_came_with_a_command_is_as_sensitive_for_who_names_it_later(world):
    first = (await _offer(world, "ann", "a", PERSONAL)).changed[0].artifact.versions[0].content
    second = {"artifact_name": "b", "content_digest": first.body.digest}
    offered = await world.do("bob", "artifact.propose", proposals=[{"created": second}])
    assert offered.changed[0].artifact.versions[0].content.sensitivity == "SENSITIVE"


async def test_a_merge_is_as_sensitive_as_the_merged_text_that_it_names(world):
    await _offer(world, "ann", "a", "one\n", paths=["x.py"])
    blocked = await _offer(world, "bob", "b", "two\n", paths=["x.py"])
    uploaded = await world.psmp.uploads.put(world.caller("bob"), _pieces(PERSONAL.encode()), "text/plain")
    merged = await _resolved(world, "bob", "merge", blocked, content_digest=uploaded.digest)
    assert merged.content.sensitivity == "SENSITIVE"


@pytest.mark.parametrize("spelt", ["1.0", "01.0.0", "1.0.0-01", "v1.0.0", "1.\N{ARABIC-INDIC DIGIT THREE}.0"])
async def test_a_semantic_version_is_as_semver_has_it(world, spelt):
    offered = [{"created": _new("a", semantic_version=spelt)}]
    assert (await world.refused("ann", "artifact.propose", proposals=offered)).code == "semantic_version_invalid"


async def _resolved(world, who, choice, blocked, **more):
    """The version that ends the one conflict in which a proposal was blocked."""
    [open_], own = blocked.conflicts, blocked.changed[0]
    chosen = {"artifact": own.id, "version": len(own.artifact.versions), "conflict": open_.conflict.id, "why": "both"}
    answer = await world.do(who, "conflict.resolve", choice=choice, **chosen, **more)
    [drafted] = [step for step in answer.steps if step.verb == "draft"]
    made = artifact_id(world.organization, world.project, drafted.artifact)
    _, version = await world.psmp.readings.version(world.caller("ann"), made, drafted.version)
    return version


def _new(name, text="", **declarations):
    return {"artifact_name": name, "content_text": text, "declarations": declarations}


async def _offer(world, who, *new, **declarations):
    return await world.do(who, "artifact.propose", proposals=[{"created": _new(*new, **declarations)}])


async def _pieces(text):
    yield text
