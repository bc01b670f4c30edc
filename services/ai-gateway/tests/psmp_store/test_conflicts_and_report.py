"""The conflicts that stand and those that stood, and what is stuck, of one project and of all."""

import dataclasses

import pytest

from metaqore_ai_gateway.adapters.psmp.conflict_reads import PostgresConflicts
from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.points import AtVersion
from metaqore_ai_gateway.service.psmp.reading_ports import Wanted
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import project, work
from metaqore_governance_core.psmp.artifact_state import Phase
from metaqore_governance_core.psmp.blocking_report import Cause, blocking_report
from metaqore_governance_core.psmp.conflicts.model import Choice, Severity
from metaqore_governance_core.psmp.project import ApprovalRule, ProjectPolicy

OF = ("acme", "garden")


async def listed(readings, caller, of="garden", size=2, **filters):
    found, token = [], ""
    while True:
        page = await readings.conflicts(caller, of, Wanted(token, size), **filters)
        found += page.found
        token = page.next
        if not token:
            return found


def named(found):
    return [(one.artifact, one.number, one.ended_us is None) for one in found]


@pytest.fixture
async def clashing(team):
    """`two` and `three` are stopped by `one`, `packed` by `old`."""
    await team.propose("one", paths=["a"])
    await team.propose("two", paths=["a"])
    await team.stand("old", needs=["numpy<2"])
    await team.propose("packed", needs=["numpy>=2"])
    await team.propose("three", paths=["a"])
    return team


class TestConflicts:
    async def test_the_longest_open_come_first(self, clashing, readings, ann):
        found = await listed(readings, ann)
        assert named(found) == [("two", 1, True), ("packed", 1, True), ("three", 1, True)]
        assert [one.artifact_id for one in found][:1] == [artifact_id(*OF, "two")]
        assert {one.project for one in found} == {"garden"}
        assert clashing

    async def test_they_are_filtered(self, clashing, readings, ann):
        assert named(await listed(readings, ann, types=("python_versions",))) == [("packed", 1, True)]
        assert await listed(readings, ann, severity=Severity.WARNING) == []
        assert len(await listed(readings, ann, severity=Severity.BLOCKING)) == 3
        assert named(await listed(readings, ann, artifact=artifact_id(*OF, "two"))) == [("two", 1, True)]
        with pytest.raises(MetaQoreError, match="no artifact"):
            await listed(readings, ann, artifact="none")
        assert clashing

    async def test_those_that_are_gone_stay_readable(self, clashing, readings, ann):
        (before, *_) = await listed(readings, ann)
        await clashing.do(clashing.ask("one", c.Reject, "no"))
        assert named(await listed(readings, ann)) == [("packed", 1, True), ("three", 1, True)]
        found = await listed(readings, ann, ended=True)
        assert named(found) == [("two", 1, False), ("packed", 1, True), ("three", 1, False), ("three", 1, True)]
        gone = await readings.conflict(ann, before.opened.conflict.id)
        assert dataclasses.replace(gone, ended_us=None) == before
        assert gone.ended_us > before.opened.since_us

    async def test_a_choice_is_kept_with_what_it_ended(self, clashing, readings, ann):
        (one, *_) = await listed(readings, ann)
        id_ = one.opened.conflict.id
        await clashing.do(clashing.ask("two", c.Resolve, id_, Choice.KEEP_EXISTING, "ours", by=clashing.bob))
        assert (await readings.conflict(ann, id_)).opened.choice is Choice.KEEP_EXISTING
        await clashing.do(clashing.ask("two", c.Reject, "as chosen", by=clashing.bob))
        gone = await readings.conflict(ann, id_)
        assert (gone.ended_us is None, gone.opened.choice) == (False, Choice.KEEP_EXISTING)

    async def test_one_that_came_and_went_in_one_transaction_is_readable(self, team, readings, ann):
        await team.propose("one", paths=["a"])
        (asked, *_) = (team.proposal("two", paths=["a"]),)
        outcome = await team.do(*asked, team.ask("one", c.Reject, "no"))
        (found,) = [one.event.conflict for one in outcome.happened if type(one.event).__name__ == "ConflictFound"]
        assert (await readings.conflict(ann, found.id)).ended_us is not None
        assert await listed(readings, ann) == []

    async def test_what_is_open_is_what_the_states_say(self, clashing, readings, ann, store):
        await clashing.do(clashing.ask("one", c.Reject, "no"))
        found = {(one.artifact, one.number, one.opened) for one in await listed(readings, ann)}
        expected = set()
        for name in ("one", "two", "three", "old", "packed"):
            for version in (await clashing.state(store, name)).versions:
                if version.phase in {"proposed", "blocked"}:
                    expected |= {(name, version.number, one) for one in version.conflicts}
        assert found == expected

    async def test_the_past_is_as_it_was(self, clashing, readings, ann):
        version = (await readings.project(ann, "garden")).project_version
        before = await listed(readings, ann)
        await clashing.do(clashing.ask("one", c.Reject, "no"))
        await clashing.do(
            clashing.ask("packed", c.Resolve, before[1].opened.conflict.id, Choice.KEEP_EXISTING, "so", by=clashing.bob)
        )
        assert await listed(readings, ann, at=AtVersion(version)) == before
        assert await listed(readings, ann, at=AtVersion(version), ended=True) == before
        assert named(await listed(readings, ann, at=AtVersion(7))) == [("two", 1, True)]
        assert await listed(readings, ann, at=AtVersion(1)) == []
        with pytest.raises(MetaQoreError) as refused:
            await listed(readings, ann, of=None, at=AtVersion(1))
        assert refused.value.code == "point_without_project"

    async def test_all_projects_and_no_other_organization(self, clashing, team_of, readings, ann, stranger):
        yard = team_of(project="yard")
        await yard.create()
        yard.clock = clashing.clock
        for name in ("one", "other"):
            await yard.propose(name, paths=["b"])
        found = await listed(readings, ann, of=None)
        assert [one.project for one in found] == ["garden", "garden", "garden", "yard"]
        assert await listed(readings, stranger, of=None, ended=True) == []
        with pytest.raises(MetaQoreError, match="no conflict"):
            await readings.conflict(stranger, found[0].opened.conflict.id)

    async def test_one_version_is_found_in_its_conflict(self, clashing, pool, readings, ann):
        (one, *_) = await listed(readings, ann)
        conflicts, id_ = PostgresConflicts(pool), one.opened.conflict.id
        assert await conflicts.of_version("acme", id_, "garden", "two", 1) == one
        assert await conflicts.of_version("acme", id_, "garden", "three", 1) is None
        assert await conflicts.of_version("acme", id_, "garden", "two", 2**53 - 1) is None
        assert await conflicts.of_version("other", id_, "garden", "two", 1) is None
        assert clashing


class TestReport:
    @pytest.fixture
    async def stuck(self, clashing):
        policy = ProjectPolicy(approvals=(ApprovalRule("reviewer", 1),), veto_roles=frozenset({"reviewer"}))
        set_policy = project.SetPolicy(clashing.ann, next(clashing.clock), policy, "careful")
        await clashing.do(Asked(Ref(Kind.PROJECT, "garden"), set_policy))
        await clashing.do(clashing.ask("two", c.LayVeto, "no", by=clashing.eve))
        ref = Ref(Kind.TASK, "t1")
        opened = Asked(ref, work.Open(clashing.bob, next(clashing.clock), "t1", *OF, "Dig"))
        await clashing.do(opened, Asked(ref, work.Claim(clashing.bob, next(clashing.clock), 1)))
        return clashing

    async def everything(self, readings, caller, size=2, **filters):
        found, token = [], ""
        while True:
            page, total = await readings.report(caller, "garden", Wanted(token, size), **filters)
            found += page.found
            token = page.next
            if not token:
                return found, total

    async def expected(self, team, store, now_us):
        names = ("one", "two", "three", "old", "packed")
        artifacts = [await team.state(store, name) for name in names]
        tasks = [await team.state(store, "t1", Kind.TASK)]
        governing = await team.state(store, "garden", Kind.PROJECT)
        return list(blocking_report(governing, artifacts, tasks, now_us))

    async def test_it_is_what_the_core_says_in_pages(self, stuck, readings, ann, store):
        found, total = await self.everything(readings, ann)
        assert found == await self.expected(stuck, store, 1_800_000_000_000_000)
        assert total == len(found)
        assert {one.cause for one in found} >= {Cause.CONFLICT, Cause.VETO, Cause.APPROVALS, Cause.LEASE}

    async def test_a_frozen_project_is_told_once(self, stuck, readings, ann, store):
        freeze = project.Freeze(stuck.ann, next(stuck.clock), "winter")
        await stuck.do(Asked(Ref(Kind.PROJECT, "garden"), freeze))
        found, total = await self.everything(readings, ann)
        assert found == await self.expected(stuck, store, 1_800_000_000_000_000)
        assert [one.cause for one in found].count(Cause.FROZEN) == 1
        assert total == len(found)

    async def test_one_cause(self, stuck, readings, ann):
        found, total = await self.everything(readings, ann, cause=Cause.VETO)
        assert [(one.item, one.cause) for one in found] == [("artifact two v1", Cause.VETO)]
        assert total == 1
        assert stuck

    async def test_the_past(self, stuck, readings, ann):
        found, _ = await self.everything(readings, ann, at=AtVersion(6))
        assert [(one.item, one.cause) for one in found] == [
            ("artifact one v1", Cause.ACTIVATION),
            ("artifact two v1", Cause.CONFLICT),
        ]
        assert stuck

    async def test_a_chain_is_of_one_version(self, stuck, readings, ann):
        page, total = await readings.report(ann, "garden", Wanted(size=1))
        await stuck.propose("late")
        rest, again = await readings.report(ann, "garden", Wanted(page.next, 100))
        assert total == again == 1 + len(rest.found)


async def test_all_below_a_file_are_one_conflict_until_the_last_of_them_has_left(team, store):
    for name in ("one", "two", "three"):
        await team.propose(name, paths=[f"x/{name}"])
    await team.propose("file", paths=["x"])
    seen = []
    for name in ("one", "three", "two"):
        (opened,) = (await team.state(store, "file")).versions[0].conflicts
        seen.append({party.artifact for party in opened.conflict.parties})
        await team.do(team.ask(name, c.Reject, "no", by=team.bob))
    assert seen == [{"file", "one", "three", "two"}, {"file", "three", "two"}, {"file", "two"}]
    assert (await team.state(store, "file")).versions[0].phase is Phase.PROPOSED
