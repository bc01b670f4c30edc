"""The whole state of a version bit for bit, what a checkpoint says of it, and what lies between two."""

import hashlib
import json

import pytest

from metaqore_ai_gateway.adapters.psmp import replay
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.folding import beginning, evolve
from metaqore_ai_gateway.service.psmp.ids import artifact_id, checkpoint_id
from metaqore_ai_gateway.service.psmp.points import AtCheckpoint, AtVersion
from metaqore_ai_gateway.service.psmp.reading_ports import Change, ChangeKind, Wanted
from metaqore_governance_core.canonical import canonical
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import project, work
from metaqore_governance_core.psmp.canonical_state import state_bytes

OF = ("acme", "garden")


@pytest.fixture
async def lived(team):
    for at in range(4):
        await team.propose(f"a{at}", paths=["x.py" if at % 2 else "y.py"], needs=["numpy<2"])
    await team.activate("a0")
    await team.propose("größe 😀", paths=["ü.py"])
    ref = Ref(Kind.TASK, "t1")
    await team.do(Asked(ref, work.Open(team.ann, next(team.clock), "t1", *OF, "Dig")))
    await team.do(Asked(Ref(Kind.PROJECT, "garden"), project.Describe(team.ann, next(team.clock), "green")))
    return team


async def folded(history, version):
    """The form, made here: from the events, by the core alone."""
    states = {}
    for one in await history.events(*OF, size=10_000):
        if one.version <= version:
            states[one.of] = evolve(states.get(one.of) or beginning(one.of.kind), one.event)
    of_kind = {
        kind: [json.loads(state_bytes(states[ref])) for ref in sorted(states) if ref.kind is kind] for kind in Kind
    }
    governing = of_kind[Kind.PROJECT][0] if of_kind[Kind.PROJECT] else None
    return canonical({"artifacts": of_kind[Kind.ARTIFACT], "project": governing, "tasks": of_kind[Kind.TASK]})


@pytest.fixture(params=[3, 500])
def batch(monkeypatch, request):
    monkeypatch.setattr(replay, "_BATCH", request.param)


@pytest.mark.usefixtures("batch", "lived")
async def test_each_version_is_folded_bit_for_bit(readings, ann, history):
    newest = await history.newest(*OF)
    for version in (*range(0, newest, 5), newest):
        assert await readings.state_form(ann, "garden", AtVersion(version)) == (version, await folded(history, version))
    assert await readings.state_form(ann, "garden") == (newest, await folded(history, newest))


async def test_nothing_but_events_is_read(lived, readings, ann, pool):
    before = await readings.state_form(ann, "garden")
    async with of_organization(pool, "acme") as connection:
        await connection.execute("update psmp_aggregates set state = '{}'")
    assert await readings.state_form(ann, "garden") == before
    assert lived


async def test_a_checkpoint_says_what_the_state_was(lived, readings, ann, checkpoints, history):
    taken = await checkpoints.take(*OF, "now", by="ann", at_us=5, description="green")
    version, form = await readings.state_form(ann, "garden")
    assert (taken.version, taken.state_digest) == (version, hashlib.sha256(form).hexdigest())
    assert taken.id == checkpoint_id(*OF, "now")
    early = await checkpoints.take(*OF, "early", by="bob", at_us=6, at_version=3)
    assert early.state_digest == hashlib.sha256(await folded(history, 3)).hexdigest()
    assert await readings.checkpoint(ann, early.id) == ("garden", early)
    assert await history.version_at(*OF, AtCheckpoint(early.id)) == 3
    with pytest.raises(MetaQoreError) as refused:
        await checkpoints.take(*OF, "late", by="ann", at_us=7, at_version=version + 1)
    assert refused.value.code == "version_missing"
    assert lived


async def test_a_dry_run_takes_nothing(lived, readings, ann, checkpoints):
    shown = await checkpoints.take(*OF, "now", by="ann", at_us=5, dry_run=True)
    assert (await readings.checkpoints(ann, "garden", Wanted())).found == ()
    assert await checkpoints.take(*OF, "now", by="ann", at_us=5) == shown
    assert lived


async def test_checkpoints_come_newest_first_also_of_one_version(lived, readings, ann, checkpoints):
    for name, version in (("a", 3), ("b", 3), ("c", 3), ("d", 5)):
        await checkpoints.take(*OF, name, by="ann", at_us=1, at_version=version)
    names, token = [], ""
    while True:
        page = await readings.checkpoints(ann, "garden", Wanted(token, 1))
        names += [one.name for one in page.found]
        if not (token := page.next):
            break
    assert names == ["d", "c", "b", "a"]
    with pytest.raises(MetaQoreError, match="no checkpoint"):
        await readings.checkpoint(ann, "none")
    assert lived


async def test_a_diff_tells_of_everything_by_kind_and_name(team, readings, ann):
    await team.stand("changed", body="1", paths=["1"])
    await team.stand("ended", paths=["2"])
    await team.stand("same", paths=["3"])
    low = (await readings.project(ann, "garden")).project_version
    await team.stand("changed", body="2", paths=["1", "4"])
    await team.do(team.ask("ended", c.Deprecate, "old"))
    await team.propose("added", paths=["5"])
    ref = Ref(Kind.TASK, "t1")
    await team.do(Asked(ref, work.Open(team.ann, next(team.clock), "t1", *OF, "Dig")))
    await team.do(Asked(Ref(Kind.PROJECT, "garden"), project.Describe(team.ann, next(team.clock), "green")))
    found, token = [], ""
    while True:
        page = await readings.diff(ann, "garden", AtVersion(low), None, Wanted(token, 2))
        found += page.found
        if not (token := page.next):
            break
    kinds, ids = (
        (Kind.ARTIFACT, Kind.PROJECT, Kind.TASK),
        {name: artifact_id(*OF, name) for name in ("added", "changed", "ended")},
    )
    fields = ("versions", "active", "body", "paths")
    assert [(one.kind, one.id, one.name, one.how, one.before, one.after) for one in found] == [
        (kinds[0], ids["added"], "added", ChangeKind.ADDED, 0, 0),
        (kinds[0], ids["changed"], "changed", ChangeKind.CHANGED, 1, 2),
        (kinds[0], ids["ended"], "ended", ChangeKind.REMOVED, 1, 0),
        (kinds[1], "garden", "garden", ChangeKind.CHANGED, 0, 0),
        (kinds[2], "t1", "Dig", ChangeKind.ADDED, 0, 0),
    ]
    assert isinstance(found[0], Change)
    assert found[1].fields == fields
    assert found[3].fields == ("description",)
    assert (await readings.diff(ann, "garden", AtVersion(low), AtVersion(low), Wanted())).found == ()
    with pytest.raises(MetaQoreError, match="other way round"):
        await readings.diff(ann, "garden", AtVersion(low), AtVersion(1), Wanted())


async def test_what_came_and_went_is_no_difference(team, readings, ann):
    await team.propose("one")
    low = (await readings.project(ann, "garden")).project_version
    for text in ("green", ""):
        described = c.Describe(team.ann, next(team.clock), text, ())
        await team.do(Asked(Ref(Kind.ARTIFACT, "one"), described))
    assert (await readings.diff(ann, "garden", AtVersion(low), None, Wanted())).found == ()
