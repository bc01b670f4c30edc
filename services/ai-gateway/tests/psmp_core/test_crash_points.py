"""A gateway that is killed between any two steps of a command leaves all of it or nothing, and repeats what it said."""

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from metaqore_ai_gateway.service.psmp.reading_ports import Wanted
from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.objects import ObjectSettings, collect_orphans

pytestmark = pytest.mark.slow

KEY = "the key"
BATCH = [{"created": {"artifact_name": name, "content_text": f"text of {name}"}} for name in "abc"]


async def _active(world):
    own = (await world.propose("ann", "a", text="first")).changed[0].id
    await world.do("bob", "artifact.activate", artifact=own, version=1)
    return own


async def created(_):
    return "ann", {"name": "project.create", "project_name": "another"}


async def proposed(_):
    return "ann", {"name": "artifact.propose", "proposals": BATCH}


async def activated(world):
    own = await _active(world)
    await world.propose("ann", "a", text="second")
    return "bob", {"name": "artifact.activate", "artifact": own, "version": 2}


async def resolved(world):
    first = (await world.propose("ann", "a", text="one\n", paths=["src/x.py"])).changed[0].id
    await world.do("bob", "artifact.activate", artifact=first, version=1)
    answer = await world.propose("bob", "b", text="two\n", paths=["src/x.py"], provenance={"parents": [f"{first}@1"]})
    [conflict] = answer.conflicts
    chosen = {"choice": "merge", "why": "both", "version": 1}
    return "eve", {
        "name": "conflict.resolve", "artifact": answer.changed[0].id, "conflict": conflict.conflict.id, **chosen
    }  # fmt: skip


async def erased(world):
    return "ann", {"name": "artifact.erase_body", "artifact": await _active(world), "version": 1, "why": "asked to"}


async def checkpointed(world):
    await _active(world)
    return "ann", {"name": "checkpoint.take", "checkpoint_name": "base"}


async def restored(world):
    own = await _active(world)
    taken = await world.do("ann", "checkpoint.take", checkpoint_name="base")
    await world.propose("ann", "a", text="second")
    await world.do("bob", "artifact.activate", artifact=own, version=2)
    return "bob", {"name": "checkpoint.restore", "checkpoint": taken.checkpoint.id, "why": "back"}


@pytest.fixture(scope="session")
def lives():
    """Lives that end; they are begun one after another."""
    script = Path(__file__).with_name("life_that_ends.py")
    process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.communicate()


class Crash:
    """A command whose gateway dies, and what was before it."""

    def __init__(self, place, lives, tmp_path):
        self.place, self.lives, self.topic = place, lives, tmp_path / "topic"

    async def at(self, point, command):
        """Prepare a command, give it, and be killed at that point."""
        async with self.place.opened() as world:
            self.who, self.command = await command(world)
            self.project = world.project
            self.before, caller = await _all(world), world.caller(self.who)
        life = {
            "point": point,
            "topic": str(self.topic),
            "url": self.place.url,
            "run": str(self.place.run),
            "config": str(self.place.config),
            "caller": asdict(caller) | {"scopes": sorted(caller.scopes)},
            "objects": self.place.objects.model_dump(),
            "project": self.project,
            "key": KEY,
            "command": self.command,
        }
        assert await asyncio.to_thread(self._lived, life) == "killed"

    def _lived(self, life):
        self.lives.stdin.write(json.dumps(life) + "\n")
        self.lives.stdin.flush()
        return self.lives.stdout.readline().strip()

    def next_life(self, published=None):
        return self.place.opened(published, self.project)

    async def repeat(self, world):
        fields = dict(self.command)
        return await world.do(self.who, fields.pop("name"), key=KEY, **fields)


@pytest.fixture(params=[0, 16 << 10], ids=["in objects", "in rows"])
def crash(request, place, lives, tmp_path):
    """Texts are kept in either way."""
    return Crash(replace(place, objects=ObjectSettings(inline_bytes=request.param)), lives, tmp_path)


@pytest.fixture
def crash_of_objects(place, lives, tmp_path):
    return Crash(replace(place, objects=ObjectSettings(inline_bytes=0)), lives, tmp_path)


async def _all(world):
    """All that the organization has: its projects, their states as they are replayed, their checkpoints."""
    caller, found = world.caller("ann"), {}
    for one in (await world.psmp.readings.projects(caller, Wanted())).found:
        page = await world.psmp.readings.checkpoints(caller, one.id, Wanted())
        found[one.id] = (await world.psmp.readings.state_form(caller, one.id), page.found)
    return found


async def _check_whole(world):
    """No version is missing; nothing happened that is not on record; a text is there for as long as it may be read."""
    caller = world.caller("ann")
    permitted = {one["receipt"]: one["time_us"] for one in await world.records() if one["verdict"] == "permit"}
    readable = set()
    for project in (await world.psmp.readings.projects(caller, Wanted())).found:
        events = await world.psmp.readings.events(caller, project.id, 0, 1000)
        assert [one.happened.version for one in events] == list(range(1, len(events) + 1))
        assert all(permitted[one.receipt] <= one.recorded_us for one in events)
        for known in (await world.psmp.readings.artifacts(caller, project.id, Wanted())).found:
            for version in known.artifact.versions:
                if version.erased:
                    with pytest.raises(MetaQoreError, match="erased"):
                        await world.body("ann", known.id, version.number)
                else:
                    assert len(await world.body("ann", known.id, version.number)) == version.content.body.size_bytes
                    readable.add(version.content.body.digest)
    return len(readable)


async def _texts_after_collecting(world):
    [collect] = [one for one in world.psmp.chores if getattr(one, "func", None) is collect_orphans]
    await collect(older_than_s=0)
    return await world.texts()


@pytest.mark.parametrize("command", [created, proposed, activated, resolved, erased, checkpointed, restored])
@pytest.mark.parametrize("point", ["recorded", "written"])
async def test_a_command_that_was_cut_off_did_not_happen_and_its_repeat_does(crash, command, point):
    await crash.at(point, command)
    async with crash.next_life() as world:
        assert await _all(world) == crash.before
        await _check_whole(world)
        records = await world.records()
        assert (records[-1]["kind"], records[-1]["verdict"]) == ("command", "permit")
        done = await crash.repeat(world)
        assert done.receipt not in {one["receipt"] for one in records}
        after = await _all(world)
        assert after != crash.before
        assert await crash.repeat(world) == done
        assert await _all(world) == after
        assert await _check_whole(world) == await _texts_after_collecting(world)


@pytest.mark.parametrize("command", [created, proposed, activated, resolved, erased, checkpointed, restored])
async def test_a_command_whose_answer_was_cut_off_is_answered_by_its_repeat(crash, command):
    await crash.at("committed", command)
    async with crash.next_life() as world:
        after = await _all(world)
        assert after != crash.before
        records = await world.records()
        done = await crash.repeat(world)
        assert done.receipt == records[-1]["receipt"]
        assert await world.records() == records
        assert await _all(world) == after
        assert done.project_version == after[done.project][0][0]
        assert await _check_whole(world) == await _texts_after_collecting(world)


@pytest.mark.parametrize("point", ["sealed", "kept"])
async def test_a_body_that_no_version_came_to_name_is_in_nobodys_way(crash_of_objects, point):
    crash = crash_of_objects
    await crash.at(point, proposed)
    async with crash.next_life() as world:
        assert await _all(world) == crash.before
        assert await _texts_after_collecting(world) == (0 if point == "sealed" else 1)
        done = await crash.repeat(world)
        assert len(done.changed) == len(BATCH)
        assert await _check_whole(world) == await _texts_after_collecting(world) == len(BATCH)


async def test_an_erased_body_cannot_be_read_although_its_object_was_left(crash_of_objects):
    crash = crash_of_objects
    await crash.at("key_gone", erased)
    async with crash.next_life() as world:
        assert len([one for one in world.run.objects.rglob("*") if one.is_file()]) == 1
        assert await _check_whole(world) == await _texts_after_collecting(world) == 0
        assert (await crash.repeat(world)).changed[0].artifact.versions[0].erased


async def _relay_what_others_left(place):
    """So that what comes next is one batch. What was given is taken for good once something else is given after it."""
    given = asyncio.Event()

    async def publish(_topic, records):
        if any(json.loads(value)["project"] == world.project for _, value, _ in records):
            given.set()
        return [None for _ in records]

    other = replace(place, organization=f"{place.organization}-before")
    async with other.opened(publish) as world, asyncio.timeout(30):
        relay = asyncio.create_task(world.psmp.work[0]())
        await given.wait()
        given.clear()
        await world.propose("ann", "a")
        await given.wait()
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)


@pytest.mark.parametrize("point", ["before_it_is_sent", "once_it_is_sent"])
async def test_what_is_committed_reaches_the_topic_in_order_and_at_least_once(crash_of_objects, point):
    crash = crash_of_objects
    await _relay_what_others_left(crash.place)
    await crash.at(point, proposed)
    sent, last, whole = [], 0, asyncio.Event()

    async def publish(_topic, records):
        sent.extend(
            one for one in map(json.loads, (value for _, value, _ in records)) if one["project"] == crash.project
        )
        if sent and sent[-1]["version"] == last:
            whole.set()
        return [None for _ in records]

    async with crash.next_life(publish) as world:
        events = await world.psmp.readings.events(world.caller("ann"), crash.project, 0)
        last = len(events)
        relay = asyncio.create_task(world.psmp.work[0]())
        async with asyncio.timeout(60):
            await whole.wait()
        relay.cancel()
        await asyncio.gather(relay, return_exceptions=True)
    assert [(one["version"], one["receipt"]) for one in sent] == [(one.happened.version, one.receipt) for one in events]
    lines = crash.topic.read_text().splitlines() if crash.topic.exists() else []
    before = [one for one in map(json.loads, lines) if one["project"] == crash.project]
    if point == "before_it_is_sent":
        assert before == []
    else:  # the first batch, which ends where any transaction on the server was open
        assert before
        assert before == sent[: len(before)]
