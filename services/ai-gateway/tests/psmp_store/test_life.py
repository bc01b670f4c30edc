"""One project from its creation on: what is proposed, blocked, freed, activated, and what a repeat is answered."""

import asyncio

import pytest

from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import work
from metaqore_governance_core.psmp.artifact_state import Phase


class TestConflicts:
    async def test_two_that_write_one_path_are_stopped_and_a_third_is_not(self, team):
        first = await team.propose("one", paths=["src/a.py"])
        second = await team.propose("two", by=team.bob, paths=["src/a.py"])
        third = await team.propose("three", paths=["src/b.py"])
        assert team.phase(first, "one") is Phase.PROPOSED
        assert team.phase(second, "two") is Phase.BLOCKED
        assert team.phase(third, "three") is Phase.PROPOSED

    async def test_a_pin_that_nothing_satisfies_with_the_others_names_all_of_them(self, team):
        for at in range(5):
            await team.stand(f"old{at}", needs=["numpy<2"])
        blocked = await team.propose("new", needs=["numpy>=2"])
        (conflict,) = blocked.states[Ref(Kind.ARTIFACT, "new")].versions[0].conflicts
        assert {party.artifact for party in conflict.conflict.parties} == {"new", *(f"old{at}" for at in range(5))}

    async def test_a_proposal_is_freed_by_itself_when_what_stopped_it_goes(self, team, store):
        await team.propose("one", paths=["a"])
        await team.propose("two", paths=["a"])
        await team.propose("three", paths=["a"])
        outcome = await team.do(team.ask("one", c.Reject, "no"))
        assert team.phase(outcome, "one") is Phase.REJECTED
        assert team.phase(outcome, "two") is Phase.PROPOSED
        three = await team.state(store, "three")
        assert three.versions[0].phase is Phase.BLOCKED
        assert three.versions[0].conflicts[0].conflict.clashing[-1].artifact == "two"

    async def test_a_next_version_of_an_artifact_does_not_clash_with_its_former_one(self, team):
        await team.stand("one", paths=["a"], needs=["numpy<2"])
        outcome = await team.stand("one", paths=["a"], needs=["numpy>=2"])
        assert [team.phase(outcome, "one", number) for number in (1, 2)] == [Phase.DEPRECATED, Phase.ACTIVE]

    async def test_a_task_that_another_holds_is_not_proposed_for(self, team):
        ref = Ref(Kind.TASK, "t1")
        opened = Asked(ref, work.Open(team.bob, next(team.clock), "t1", "acme", "garden", "Dig"))
        claimed = Asked(ref, work.Claim(team.bob, next(team.clock), 10_000_000))
        await team.do(opened, claimed)
        blocked = await team.propose("one", task="t1")
        assert team.phase(blocked, "one") is Phase.BLOCKED
        released = await team.do(Asked(ref, work.Release(team.bob, next(team.clock))))
        assert team.phase(released, "one") is Phase.PROPOSED


class TestSubmissions:
    async def test_forty_at_once_stay_whole_or_fail_whole(self, team, store):
        files = [asked for at in range(40) for asked in team.proposal(f"file{at}", paths=[f"src/{at}.py"])]
        await team.do(*files)
        more = [asked for at in range(40, 79) for asked in team.proposal(f"file{at}")]
        before = await _version(store)
        with pytest.raises(MetaQoreError) as refused:
            await team.do(*more, team.ask("file0", c.Amend, team.content()))
        assert refused.value.code == "wrong_phase"
        assert await _version(store) == before

    async def test_the_refused_do_not_take_their_neighbours_down(self, team, store):
        works = [team.propose(f"file{at}", paths=[f"{at}.py"]) for at in range(20)]
        fails = [team.activate(f"missing{at}") for at in range(20)]
        results = await asyncio.gather(
            *(one for pair in zip(works, fails, strict=True) for one in pair), return_exceptions=True
        )
        assert [one.code for one in results[1::2]] == ["version_missing"] * 20
        assert [team.phase(one, f"file{at}") for at, one in enumerate(results[::2])] == [Phase.PROPOSED] * 20
        assert await _version(store) == 1 + 2 * 20

    async def test_a_dry_run_tells_and_changes_nothing(self, team, store):
        outcome = await team.do(*team.proposal("one", paths=["a"]), dry_run=True)
        assert team.phase(outcome, "one") is Phase.PROPOSED
        assert await _version(store) == 1

    async def test_a_repeat_is_answered_the_same_whatever_came_between(self, team):
        asked = team.proposal("one", paths=["a"])
        first = await team.do(*asked, key="k")
        await team.activate("one")
        assert await team.do(*asked, key="k") == first
        with pytest.raises(MetaQoreError) as refused:
            await team.do(*asked, key="k", body=b"other")
        assert refused.value.code == "idempotency_body_differs"

    async def test_a_repeat_of_what_was_refused_is_refused_alike(self, team):
        with pytest.raises(MetaQoreError) as first:
            await team.do(team.ask("one", c.Activate, ()), key="k")
        await team.propose("one")
        with pytest.raises(MetaQoreError) as second:
            await team.do(team.ask("one", c.Activate, ()), key="k")
        assert (first.value.code, first.value.message) == (second.value.code, second.value.message)
        assert type(first.value) is type(second.value)

    async def test_repeats_that_wait_together_happen_once(self, team, store):
        asked = team.proposal("one", paths=["a"])
        outcomes = await asyncio.gather(*(team.do(*asked, key="k") for _ in range(5)))
        assert all(one == outcomes[0] for one in outcomes)
        assert await _version(store) == 3

    async def test_a_stale_expectation_is_refused(self, team):
        await team.propose("one")
        asked = team.ask("one", c.Activate, (), by=team.bob)
        with pytest.raises(MetaQoreError) as refused:
            await team.do(Asked(asked.of, asked.command, expected=1))
        assert refused.value.code == "version_stale"
        await team.do(Asked(asked.of, asked.command, expected=2))

    async def test_a_command_for_another_place_is_refused(self, team, team_of):
        with pytest.raises(MetaQoreError) as refused:
            await team.do(team_of(organization="other").draft("one"))
        assert refused.value.code == "submission_other"

    @pytest.mark.usefixtures("team")
    async def test_two_projects_of_one_name_are_refused_in_an_organization(self, team_of):
        with pytest.raises(MetaQoreError) as refused:
            await team_of(project="other").create(name="garden")
        assert refused.value.code == "project_exists"
        await team_of(organization="other").create()


async def _version(store, organization="acme", project="garden"):
    async with store.open(organization, project) as opened:
        return opened.version
