"""What a repeat is answered with, for a day, and what time alone brings to its end."""

import dataclasses

import pytest

from metaqore_ai_gateway.adapters.psmp.answers import PostgresAnswers
from metaqore_ai_gateway.adapters.psmp.due import PostgresDueItems
from metaqore_ai_gateway.adapters.psmp.forget import ForgetOld
from metaqore_ai_gateway.service.psmp.asked import Asked, Kind, Ref
from metaqore_ai_gateway.service.psmp.due import Due
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp import work
from metaqore_governance_core.psmp.project import ProjectPolicy

OF = ("acme", "garden")


async def do(team, *asked, token, **options):
    return await team.queues.submit(dataclasses.replace(team.submission(*asked, **options), receipt_token=token))


class TestReceipts:
    async def test_a_repeat_is_answered_with_the_first_receipt(self, team):
        asked = team.proposal("one")
        first = await do(team, *asked, token="first", key="k")
        assert first.receipt_token == "first"
        assert await do(team, *asked, token="second", key="k") == first

    async def test_the_first_answer_is_found_by_its_key(self, team, pool):
        answers = PostgresAnswers(pool)
        assert await answers.find(*OF, "k") is None
        first = await do(team, *team.proposal("one"), token="first", key="k")
        await team.activate("one")
        found = await answers.find(*OF, "k")
        assert (found.digest, found.receipt_token, found.result) == (b"body", "first", first)
        assert await answers.find("other", "garden", "k") is None

    async def test_a_refusal_is_found_with_its_receipt(self, team, pool):
        with pytest.raises(MetaQoreError):
            await do(team, team.ask("one", c.Activate, ()), token="first", key="k")
        found = await PostgresAnswers(pool).find(*OF, "k")
        assert (found.receipt_token, found.result.code) == ("first", "version_missing")

    async def test_answers_are_forgotten_after_a_day_and_not_before(self, team, pool, two_days_pass):
        await do(team, *team.proposal("one"), token="first", key="k")
        forget, answers = ForgetOld(pool), PostgresAnswers(pool)
        assert await forget.answers() == 0
        await two_days_pass("psmp_commands", "created_at")
        await do(team, *team.proposal("two"), token="first", key="l")
        assert await forget.answers() == 1
        assert await answers.find(*OF, "k") is None
        assert await answers.find(*OF, "l")


class TestDue:
    @pytest.fixture
    async def timed(self, team, team_of):
        """A project whose proposals lapse, and another organization's task under a lease."""
        timed = team_of(project="timed")
        await timed.create(policy=ProjectPolicy(proposal_ttl_us=1_000))
        for name in ("one", "two"):
            await timed.propose(name)
        await timed.activate("one")
        await team.propose("never")
        other = team_of(organization="other")
        await other.create()
        ref = Ref(Kind.TASK, "t1")
        at_us = next(other.clock)
        opened = Asked(ref, work.Open(other.ann, at_us, "t1", "other", "garden", "Dig"))
        await other.do(opened, Asked(ref, work.Claim(other.ann, at_us, 5_000)))
        return timed, other, at_us + 5_000

    async def test_what_is_over_is_told_of_every_organization(self, timed, pool, readings, ann):
        team, _, until_us = timed
        items = PostgresDueItems(pool)
        version = (await readings.version(ann, artifact_id("acme", "timed", "two"), 1))[1]
        lapse = Due("acme", "timed", Ref(Kind.ARTIFACT, "two"), 1, "lapse", version.expires_us)
        lease = Due("other", "garden", Ref(Kind.TASK, "t1"), None, "lease", until_us)
        assert await items.due(version.expires_us - 1) == []
        assert await items.due(version.expires_us) == [lapse]
        assert await items.due(until_us) == [lapse, lease]
        assert await items.due(until_us, 0) == []
        assert team

    async def test_what_has_ended_is_due_no_more(self, timed, pool):
        team, other, until_us = timed
        await team.do(team.ask("two", c.Reject, "no"))
        await other.do(Asked(Ref(Kind.TASK, "t1"), work.Release(other.ann, next(other.clock))))
        assert await PostgresDueItems(pool).due(until_us + 1_000_000) == []
