"""What commands do that are more than one decision: all or nothing, resolutions, cascades, erasures, checkpoints."""

import asyncio
import itertools
import re

import pytest

from metaqore_ai_gateway.service.psmp.governed import CommandRefusedError
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.reading_ports import Wanted
from metaqore_governance_core.errors import MetaQoreError


async def test_all_or_nothing_where_one_would_be_blocked(world):
    await world.propose("ann", "a", paths=["src/x.py"])
    proposals = [{"created": _at("b", "src/y.py")}, {"created": _at("c", "src/x.py")}]
    refused = await world.refused("bob", "artifact.propose", proposals=proposals, refuse_blocked=True)
    assert refused.code == "artifact_blocked"
    [conflict] = refused.conflicts
    assert {party.artifact for party in conflict.clashing} == {"a", "c"}
    assert "ann" in refused.message
    with pytest.raises(MetaQoreError):
        await world.psmp.readings.artifact(world.caller("ann"), _id(world, "b"))


async def test_what_is_offered_together_is_judged_together(world):
    proposals = [{"created": _at("b", "src/x.py")}, {"created": _at("c", "src/x.py")}]
    refused = await world.refused("bob", "artifact.propose", proposals=proposals, refuse_blocked=True)
    assert refused.code == "artifact_blocked"


async def test_a_manifest_declares_what_it_requires(world):
    text = '[project]\nname = "x"\nversion = "1"\ndependencies = ["requests==2.30"]\n'
    await world.propose("ann", "pyproject.toml", text=text)
    answer = await world.propose("bob", "other", needs=["requests==2.31"])
    [open_] = answer.conflicts
    assert open_.conflict.type == "python_versions"
    third = await world.propose("eve", "third", needs=["requests>=2"])
    assert third.conflicts == ()


@pytest.mark.parametrize(
    ("choice", "who", "left", "standing"),
    [
        ("keep_existing", "bob", "rejected", "active"),
        ("take_incoming", "eve", "proposed", "deprecated"),
    ],
)
async def test_a_choice_ends_one_side(world, choice, who, left, standing):
    a, b, conflict = await _clash(world)
    answer = await world.do(
        who, "conflict.resolve", artifact=b, version=1, conflict=conflict, choice=choice, why="so it is"
    )
    assert answer.steps
    assert await _phase(world, b, 1) == left
    assert await _phase(world, a, 1) == standing


async def test_superseding_makes_the_next_version_of_what_stands(world):
    a, b, conflict = await _clash(world)
    await world.do("eve", "conflict.resolve", artifact=b, version=1, conflict=conflict, choice="supersede", why="w")
    assert await _phase(world, b, 1) == "rejected"
    known, version = await world.psmp.readings.version(world.caller("ann"), a, 2)
    assert version.phase == "proposed"
    assert set(version.content.provenance.parents) == {f"{a}@1", f"{b}@1"}
    assert await world.body("ann", known.id, 2) == b"theirs\n"


async def test_who_wrote_what_supersedes_does_not_activate_it(world):
    a, b, conflict = await _clash(world)
    await world.do("eve", "conflict.resolve", artifact=b, version=1, conflict=conflict, choice="supersede", why="w")
    for who in ("bob", "eve"):
        assert (await world.refused(who, "artifact.activate", artifact=a, version=2)).code == "own_proposal"
    await world.do("ann", "artifact.activate", artifact=a, version=2)


async def test_nobody_stops_another_in_favour_of_its_text_that_another_brought(world):
    a, b, conflict = await _clash(world)
    await world.do("eve", "conflict.resolve", artifact=b, version=1, conflict=conflict, choice="supersede", why="w")
    await world.do("ann", "artifact.activate", artifact=a, version=2)
    answer = await world.propose("carl", "c", paths=["src/x.py"])
    third, [open_] = answer.changed[0].id, answer.conflicts
    fields = {"artifact": third, "version": 1, "conflict": open_.conflict.id, "choice": "keep_existing", "why": "w"}
    assert (await world.refused("bob", "conflict.resolve", **fields)).code == "own_favour"
    await world.do("ann", "conflict.resolve", **fields)


async def test_a_merge_is_a_new_version_with_both_parents(world):
    base = (await world.propose("ann", "a", text="one\ntwo\nthree\n", paths=["src/x.py"])).changed[0].id
    await world.do("bob", "artifact.activate", artifact=base, version=1)
    await world.propose("ann", "a", text="ONE\ntwo\nthree\n", paths=["src/x.py"], provenance={"parents": [f"{base}@1"]})
    await world.do("bob", "artifact.activate", artifact=base, version=2)
    answer = await world.propose(
        "bob", "b", text="one\ntwo\nTHREE\n", paths=["src/x.py"], provenance={"parents": [f"{base}@1"]}
    )
    other, [open_] = answer.changed[0].id, answer.conflicts
    await world.do(
        "bob", "conflict.resolve", artifact=other, version=1, conflict=open_.conflict.id, choice="merge", why="both"
    )
    _, version = await world.psmp.readings.version(world.caller("ann"), base, 3)
    assert version.phase == "proposed"
    assert set(version.content.provenance.parents) == {f"{base}@2", f"{other}@1"}
    assert await world.body("ann", base, 3) == b"ONE\ntwo\nTHREE\n"
    for who in ("ann", "bob"):
        assert (await world.refused(who, "artifact.activate", artifact=base, version=3)).code == "own_proposal"
    await world.do("eve", "artifact.activate", artifact=base, version=3)


async def test_a_dry_run_of_a_merge_keeps_no_text(world):
    base = (await world.propose("ann", "requirements.txt", text="six\n\nnumpy\n")).changed[0].id
    await world.do("bob", "artifact.activate", artifact=base, version=1)
    await world.propose("ann", "requirements.txt", text="six>1\n\nnumpy\n")
    answer = await world.propose("bob", "requirements.txt", text="six\n\nnumpy>1\n")
    [open_], before = answer.conflicts, await world.texts()
    chosen = {"artifact": base, "version": 3, "conflict": open_.conflict.id, "choice": "merge", "why": "both"}
    shown = await world.do("eve", "conflict.resolve", **chosen, dry_run=True)
    assert await world.texts() == before
    made = await world.do("eve", "conflict.resolve", **chosen)
    assert (made.steps, await world.texts()) == (shown.steps, before + 1)
    assert await world.body("ann", base, 4) == b"six>1\n\nnumpy>1\n"
    _, version = await world.psmp.readings.version(world.caller("ann"), base, 4)
    assert {one.text for one in version.content.dependencies} == {"six>1", "numpy>1"}


async def test_texts_that_clash_are_for_a_person_to_merge(world):
    _, b, conflict = await _clash(world)
    refused = await world.refused(
        "bob", "conflict.resolve", artifact=b, version=1, conflict=conflict, choice="merge", why="w"
    )
    assert refused.code == "merge_impossible"
    assert await _phase(world, b, 1) == "blocked"


async def test_a_refusal_says_which_commands_would_help(world):
    own = (await world.propose("ann", "a")).changed[0].id
    refused = await world.refused("ann", "artifact.activate", artifact=own, version=1)
    [way] = refused.ways_out
    assert (way.command, way.who) == ("metaqore artifact activate a@1 --project garden", "anybody who may, but ann")
    await world.do("bob", "project.freeze", why="audit")
    refused = await world.refused("bob", "artifact.activate", artifact=own, version=1)
    assert refused.code == "project_frozen"
    assert any("project unfreeze" in one.command for one in refused.ways_out)


@pytest.mark.parametrize("command", ["amend", "archive", "deprecate", "lay_veto", "withdraw"])
async def test_who_does_not_want_a_version_to_count_is_not_told_how_it_would(world, command):
    own = (await world.propose("ann", "a")).changed[0].id
    given = {"artifact": own, "version": 1, **({"declarations": {}} if command == "amend" else {"why": "w"})}
    refused = await world.refused("bob", f"artifact.{command}", **given)
    assert refused.ways_out == ()


async def test_who_may_not_lift_a_veto_is_told_who_may(world):
    own = (await world.propose("ann", "a")).changed[0].id
    await world.do("ann", "project.set_policy", policy={"veto_roles": ["reviewer"]}, why="w")
    await world.do("eve", "artifact.lay_veto", artifact=own, version=1, why="w")
    refused = await world.refused("bob", "artifact.lift_veto", artifact=own, version=1, why="w")
    [way] = refused.ways_out
    assert "lift-veto" in way.command
    assert way.who == "eve"


async def test_nothing_helps_to_erase_what_is_erased(world):
    own = (await world.propose("ann", "a")).changed[0].id
    await world.do("bob", "artifact.erase_body", artifact=own, version=1, why="w")
    refused = await world.refused("bob", "artifact.erase_body", artifact=own, version=1, why="w")
    assert (refused.code, refused.ways_out) == ("body_erased", ())


async def test_to_reject_in_a_frozen_project_only_unfreezing_helps(world):
    own = (await world.propose("ann", "a")).changed[0].id
    await world.do("bob", "project.freeze", why="audit")
    refused = await world.refused("bob", "artifact.reject", artifact=own, version=1, why="w")
    [way] = refused.ways_out
    assert "project unfreeze" in way.command


async def test_a_choice_for_a_person_to_make_good_tells_that_the_conflict_stands(world):
    _, b, conflict = await _clash(world)
    answer = await world.do(
        "eve", "conflict.resolve", artifact=b, version=1, conflict=conflict, choice="manual", why="I will move it"
    )
    assert [one.conflict.id for one in answer.conflicts] == [conflict]
    assert await _phase(world, b, 1) == "blocked"


async def test_nobody_resolves_in_its_own_favour(world):
    _, b, conflict = await _clash(world)
    refused = await world.refused(
        "bob", "conflict.resolve", artifact=b, version=1, conflict=conflict, choice="take_incoming", why="mine"
    )
    assert refused.code == "own_favour"


@pytest.mark.parametrize("verb", ["reject", "retire"])
async def test_nobody_ends_the_work_of_another_in_its_own_favour(world, verb):
    a = (await world.propose("ann", "a", paths=["src/x.py"])).changed[0].id
    await world.propose("bob", "b", paths=["src/x.py"])
    fields = {"artifact": a, "why": "mine"} | ({"version": 1} if verb == "reject" else {})
    assert (await world.refused("bob", f"artifact.{verb}", **fields)).code == "own_favour"
    await world.do("eve", f"artifact.{verb}", **fields)
    assert world.answers[-1].changed


async def test_who_ends_its_own_work_lets_the_other_go_on(world):
    a = (await world.propose("ann", "a", paths=["src/x.py"])).changed[0].id
    b = (await world.propose("bob", "b", paths=["src/x.py"])).changed[0].id
    await world.do("ann", "artifact.reject", artifact=a, version=1, why="his is better")
    assert await _phase(world, b, 1) == "proposed"


async def test_work_for_a_task_is_that_of_who_proposes_whatever_agent_it_names(world):
    task = (await world.do("ann", "task.open", title="t")).changed[0].id
    await world.do("ann", "task.claim", task=task, lease_us=60_000_000)
    answer = await world.propose("bob", "b", provenance={"task": task, "agent": "ann"})
    assert [one.conflict.type for one in answer.conflicts] == ["task_ownership"]


async def test_a_cascade_ends_everything_and_says_what(world):
    made = (await world.propose("ann", "a", "b")).changed
    task = (await world.do("ann", "task.open", title="write it")).changed[0].id
    refused = await world.refused("ann", "project.archive", why="over")
    assert refused.code == "project_not_empty"
    answer = await world.do("ann", "project.archive", cascade=True, why="over")
    assert set(answer.ended) == {*(f"artifact {one.id}" for one in made), f"task {task}"}
    assert answer.changed[0].project_state.state == "archived"


async def test_an_erased_body_is_gone_and_its_history_stays(world):
    own = (await world.propose("ann", "a", text="to be forgotten")).changed[0].id
    assert await world.body("ann", own, 1) == b"to be forgotten"
    await world.do("ann", "artifact.erase_body", artifact=own, version=1, why="asked to")
    with pytest.raises(MetaQoreError) as error:
        await world.body("ann", own, 1)
    assert error.value.code == "body_erased"
    assert not [one for one in world.run.objects.rglob("*") if one.is_file()]
    _, version = await world.psmp.readings.version(world.caller("ann"), own, 1)
    assert version.erased
    assert version.content.body.size_bytes == 15


async def test_a_body_that_is_erased_through_another_version_is_told_as_erased(world):
    made = (await world.propose("ann", "a", "b", text="to be forgotten")).changed
    first, twin = made[0].id, made[1].id
    await world.do("bob", "artifact.activate", artifact=twin, version=1)
    taken = (await world.do("ann", "checkpoint.take", checkpoint_name="base")).checkpoint
    await world.do("bob", "artifact.deprecate", artifact=twin, version=1, why="old")
    await world.do("ann", "artifact.erase_body", artifact=first, version=1, why="asked to")
    ann, readings = world.caller("ann"), world.psmp.readings
    with pytest.raises(MetaQoreError) as error:
        await world.body("ann", twin, 1)
    assert error.value.code == "body_erased"
    assert re.search(r"erased at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", error.value.message)
    assert (await readings.version(ann, twin, 1))[1].erased
    assert (await readings.artifact(ann, twin)).artifact.versions[0].erased
    page = await readings.artifacts(ann, world.project, Wanted())
    assert [one.artifact.versions[0].erased for one in page.found] == [True, True]
    for dry_run in (True, False):
        fields = {"checkpoint": taken.id, "why": "back", "dry_run": dry_run}
        refused = await world.refused("bob", "checkpoint.restore", **fields)
        assert (refused.code, refused.reasons) == ("bodies_erased", ("b",))


async def test_a_checkpoint_is_restored_with_the_bodies_of_then(world):
    own = (await world.propose("ann", "a", text="first")).changed[0].id
    await world.do("bob", "artifact.activate", artifact=own, version=1)
    taken = (await world.do("ann", "checkpoint.take", checkpoint_name="base")).checkpoint
    await world.propose("ann", "a", text="second")
    await world.do("bob", "artifact.activate", artifact=own, version=2)
    shown = await world.do("bob", "checkpoint.restore", checkpoint=taken.id, why="back", dry_run=True)
    [change] = shown.differences
    assert (change.active[0].number, change.active[1].number) == (2, 1)
    answer = await world.do("bob", "checkpoint.restore", checkpoint=taken.id, why="back")
    assert answer.changed[0].artifact.active.number == 3
    assert await world.body("ann", own, 3) == b"first"


async def test_who_wrote_what_comes_back_does_not_restore_it(world):
    own = (await world.propose("ann", "a", text="first")).changed[0].id
    await world.do("bob", "artifact.activate", artifact=own, version=1)
    taken = (await world.do("ann", "checkpoint.take", checkpoint_name="base")).checkpoint
    await world.do("bob", "artifact.deprecate", artifact=own, version=1, why="a hole in it")
    for dry_run in (True, False):
        fields = {"checkpoint": taken.id, "why": "back", "dry_run": dry_run}
        refused = await world.refused("ann", "checkpoint.restore", **fields)
        assert (refused.code, refused.reasons) == ("own_proposal", ("a",))
    answer = await world.do("bob", "checkpoint.restore", checkpoint=taken.id, why="back")
    assert answer.changed[0].artifact.active.authors == {"metaqore", "ann"}


async def test_a_dry_run_of_a_restore_is_refused_for_what_the_restore_would_be(world):
    own = (await world.propose("ann", "a", text="first")).changed[0].id
    await world.do("bob", "artifact.activate", artifact=own, version=1)
    taken = (await world.do("ann", "checkpoint.take", checkpoint_name="base")).checkpoint
    await world.do("bob", "artifact.deprecate", artifact=own, version=1, why="old")
    await world.do("ann", "project.set_policy", policy={"approvals": [{"role": "reviewer", "count": 1}]}, why="w")
    for dry_run in (True, False):
        fields = {"checkpoint": taken.id, "why": "back", "dry_run": dry_run}
        assert (await world.refused("bob", "checkpoint.restore", **fields)).code == "approvals_missing"


async def test_an_amended_draft_declares_something_else(world):
    made = await world.do("ann", "artifact.draft", version=_at("a", "x.py"))
    own = made.changed[0].id
    await world.do("ann", "artifact.amend", artifact=own, version=1, declarations={"paths": ["y.py"]})
    _, version = await world.psmp.readings.version(world.caller("ann"), own, 1)
    assert version.content.paths == ("y.py",)


async def test_a_cascade_ends_what_is_opened_while_it_is_asked_for(world):
    async def writes(who):
        while True:
            try:
                await world.propose(who, f"{who} {next(count)}")
            except CommandRefusedError as refused:
                return refused.code
            began.release()

    count, began = itertools.count(), asyncio.Semaphore(0)
    writers = [asyncio.create_task(writes(who)) for who in ("ann", "bob", "carl")]
    for _ in writers:
        await began.acquire()
    await world.do("eve", "project.archive", cascade=True, why="over")
    assert await asyncio.gather(*writers) == ["project_archived"] * len(writers)


async def test_a_task_is_held_by_one_at_a_time(world):
    task = (await world.do("ann", "task.open", title="write it")).changed[0].id
    await world.do("ann", "task.claim", task=task, lease_us=60_000_000)
    refused = await world.refused("bob", "task.claim", task=task, lease_us=60_000_000)
    assert refused.code == "task_claimed"
    await world.do("ann", "task.start", task=task)
    assert (await world.do("ann", "task.complete", task=task)).changed[0].work.state == "done"


async def test_a_stale_revision_is_told_apart(world):
    own = (await world.propose("ann", "a")).changed[0].id
    refused = await world.refused("bob", "artifact.activate", artifact=own, version=1, expected_revision=1)
    assert (refused.code, refused.kind) == ("version_stale", "conflict")


async def test_an_upload_is_scanned_decided_and_recorded(world):
    async def pieces(*some):
        for one in some:
            yield one

    large = (b"large " * 10_000, b"body")
    stored = await world.psmp.uploads.put(world.caller("ann"), pieces(*large), "text/plain")
    assert (await world.records())[-1]["receipt"] == stored.receipt
    wanted = {"artifact_name": "a", "content_digest": stored.digest}
    own = (await world.do("ann", "artifact.propose", proposals=[{"created": wanted}])).changed[0].id
    assert await world.body("ann", own, 1) == b"".join(large)
    small = await world.psmp.uploads.put(world.caller("ann"), pieces(b"small ", b"body"), "text/plain")
    assert await world.texts() == 2

    split = (b"x" * (1 << 20) + b" AKIAQ3EGR", b"ZYXN5PMK7VW ")
    with pytest.raises(MetaQoreError) as refused:
        await world.psmp.uploads.put(world.caller("ann"), pieces(*split), "text/plain")
    assert refused.value.code == "credential_in_prompt"
    with pytest.raises(MetaQoreError, match="credential"):
        await world.psmp.uploads.put(world.caller("ann"), pieces(b" AKIAQ3EGRZYXN5PMK7VW "), "text/plain")
    assert await world.texts() == 2

    wanted = {"artifact_name": "b", "content_digest": small.digest}
    own = (await world.do("ann", "artifact.propose", proposals=[{"created": wanted}])).changed[0].id
    assert await world.body("ann", own, 1) == b"small body"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("before", [0, 1, 5])
async def test_a_long_upload_is_scanned_in_the_encoding_that_it_begins_with(world, encoding, before):
    async def pieces(whole):
        for begin in range(0, len(whole), 100_000):
            yield whole[begin : begin + 100_000]

    text = "\N{CJK UNIFIED IDEOGRAPH-6587}" * (before * 300_000) + " AKIAQ3EGRZYXN5PMK7VW "
    with pytest.raises(MetaQoreError) as refused:
        await world.psmp.uploads.put(world.caller("ann"), pieces(text.encode(encoding)), "text/plain")
    assert refused.value.code == "credential_in_prompt"


async def test_two_authors_of_one_artifact_do_not_overwrite_each_other(world):
    own = (await world.propose("ann", "a", text="one\nmid\ntwo\n")).changed[0].id
    await world.do("bob", "artifact.activate", artifact=own, version=1)
    assert (await world.propose("ann", "a", text="ONE\nmid\ntwo\n")).conflicts == ()
    blocked = await world.propose("bob", "a", text="one\nmid\nTWO\n")
    [open_] = blocked.conflicts
    assert open_.conflict.type == "version_rival"
    await world.do("eve", "artifact.activate", artifact=own, version=2)
    assert await _phase(world, own, 3) == "blocked"
    merged = await world.do(
        "bob", "conflict.resolve", artifact=own, version=3, conflict=open_.conflict.id, choice="merge", why="both"
    )
    assert [(step.verb, step.version) for step in merged.steps] == [("reject", 3), ("draft", 4)]
    assert await world.body("ann", own, 4) == b"ONE\nmid\nTWO\n"
    await world.do("eve", "artifact.activate", artifact=own, version=4)
    assert await _phase(world, own, 4) == "active"


async def test_a_rival_that_gives_way_lets_the_other_go_on(world):
    own = (await world.propose("ann", "a")).changed[0].id
    await world.propose("bob", "a", text="other")
    await world.do("eve", "artifact.reject", artifact=own, version=1, why="no")
    assert await _phase(world, own, 2) == "proposed"


async def test_who_names_a_version_as_parent_knows_it(world):
    own = (await world.propose("ann", "a")).changed[0].id
    answer = await world.propose("bob", "a", text="better", provenance={"parents": [f"{own}@1"]})
    assert answer.conflicts == ()


async def _clash(world):
    a = (await world.propose("ann", "a", text="ours\n", paths=["src/x.py"])).changed[0].id
    await world.do("bob", "artifact.activate", artifact=a, version=1)
    answer = await world.propose("bob", "b", text="theirs\n", paths=["src/x.py"])
    [open_] = answer.conflicts
    return a, answer.changed[0].id, open_.conflict.id


async def _phase(world, artifact, number):
    _, version = await world.psmp.readings.version(world.caller("ann"), artifact, number)
    return version.phase


def _at(name, path):
    return {"artifact_name": name, "content_text": name, "declarations": {"paths": [path]}}


def _id(world, name):
    return artifact_id(world.organization, world.project, name)
