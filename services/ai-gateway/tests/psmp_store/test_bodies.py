"""Rows of bodies: kept, used, erased with the event that says so, and never back by the key of before."""

import asyncio

import pytest

from metaqore_ai_gateway.adapters.psmp.forget import ForgetOld
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.transact import transact
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.records import Commitment
from metaqore_governance_core.sensitivity import Sensitivity
from metaqore_mesh.objects import Body

TEXT = Commitment("e" * 64, "key-1", 3)


def body(name="bodies/acme/new", organization="acme", text=TEXT, key=b"other"):
    return Body(organization, text, name, key)


async def row(pool, digest=TEXT.digest):
    async with of_organization(pool, "acme") as connection:
        return await connection.fetchrow("select * from psmp_bodies where digest = $1", digest)


class TestRows:
    async def test_a_body_is_found_by_its_text_in_its_organization(self, kept_bodies):
        found = await kept_bodies.find("acme", TEXT)
        assert found == body("bodies/acme/" + "e" * 64, key=b"wrapped")
        assert await kept_bodies.find("acme", Commitment("e" * 64, "key-2", 3)) is None
        assert await kept_bodies.find("acme", Commitment("z", "key-1", 3)) is None
        assert await kept_bodies.find("third", TEXT) is None

    async def test_another_object_for_a_text_takes_its_place(self, kept_bodies):
        assert await kept_bodies.keep(body(), Sensitivity.PUBLIC) == body()
        assert await kept_bodies.find("acme", TEXT) == body()

    async def test_many_at_once_are_kept(self, kept_bodies):
        many = [body(f"bodies/acme/{at}", text=Commitment(f"{at:064}", "key-1", at)) for at in range(50)]
        assert await asyncio.gather(*(kept_bodies.keep(one, Sensitivity.PUBLIC) for one in many)) == many
        same = [body(f"bodies/acme/same{at}") for at in range(5)]
        await asyncio.gather(*(kept_bodies.keep(one, Sensitivity(at % 3)) for at, one in enumerate(same)))
        assert await kept_bodies.find("acme", TEXT) in same
        assert (await kept_bodies.kept("acme", TEXT.digest))[1] is Sensitivity.SENSITIVE

    async def test_a_body_stays_as_sensitive_as_it_was_ever_kept(self, kept_bodies):
        for kept, then in (("PUBLIC", "PUBLIC"), ("CRITICAL", "CRITICAL"), ("INTERNAL", "CRITICAL")):
            await kept_bodies.keep(body(), Sensitivity[kept])
            assert (await kept_bodies.kept("acme", TEXT.digest))[1] is Sensitivity[then]

    async def test_names_tell_which_live_in_any_organization(self, kept_bodies):
        names = [f"bodies/{organization}/{letter * 64}" for organization in ("acme", "other") for letter in "ef"]
        await kept_bodies.erase("other", "f" * 64)
        assert await kept_bodies.living([*names, "bodies/acme/unknown", "bodies/third/x"]) == set(names[:3])

    async def test_what_is_erased_comes_back_only_under_another_name(self, kept_bodies, pool):
        before = await kept_bodies.find("acme", TEXT)
        await kept_bodies.erase("acme", TEXT.digest)
        assert await kept_bodies.find("acme", TEXT) is None
        assert (await kept_bodies.kept("acme", TEXT.digest))[0].wrapped_key == b""
        assert (await kept_bodies.keep(before, Sensitivity.PUBLIC)).wrapped_key == b""
        assert await kept_bodies.find("acme", TEXT) is None
        await kept_bodies.keep(body(), Sensitivity.PUBLIC)
        assert await kept_bodies.find("acme", TEXT) == body()
        assert await kept_bodies.keep(before, Sensitivity.PUBLIC) == body()
        assert (await row(pool))["wrapped_key"] == b"other"


class TestVersions:
    async def test_a_version_names_a_body_that_is_kept(self, team, kept_bodies):
        await kept_bodies.erase("acme", TEXT.digest)
        with pytest.raises(MetaQoreError) as refused:
            await team.propose("one", body="e")
        assert refused.value.code == "content_missing"
        with pytest.raises(MetaQoreError) as refused:
            await team.propose("one", body="none")
        assert refused.value.code == "content_missing"
        assert await team.propose("one", body="d")

    async def test_a_dry_run_needs_none(self, team, kept_bodies):
        await kept_bodies.erase("acme", TEXT.digest)
        assert await team.do(*team.proposal("one", body="e"), dry_run=True)

    async def test_the_event_of_an_erasure_and_the_end_of_the_key_are_one(self, team, kept_bodies, pool):
        await team.propose("one", body="e")
        await team.do(team.ask("one", c.EraseBody, "law"), dry_run=True)
        assert await kept_bodies.find("acme", TEXT)
        await team.do(team.ask("one", c.EraseBody, "law"))
        assert await kept_bodies.find("acme", TEXT) is None
        assert (await row(pool))["erased_at"] is not None

    async def test_an_erasure_waits_for_the_version_that_names_the_text(self, team, kept_bodies, store):
        async with store.open("acme", "garden") as transaction:
            assert await transaction.bodies([TEXT.digest, "none"]) == {TEXT.digest}
            erasing = asyncio.create_task(kept_bodies.erase("acme", TEXT.digest))
            await asyncio.sleep(0.3)
            assert not erasing.done()
        await erasing
        assert await kept_bodies.find("acme", TEXT) is None
        assert team

    async def test_projects_that_name_a_new_text_at_once_do_not_stand_in_each_others_way(self, team_of, store):
        teams = [team_of(project=f"garden{at}") for at in range(8)]
        for each in teams:
            await each.create()
        for letter in "0123":
            drafts = [each.submission(each.draft("licence", body=letter)) for each in teams]
            results = await asyncio.gather(*(transact(store, [one]) for one in drafts))
            assert not [refused for (refused,) in results if isinstance(refused, MetaQoreError)]


class TestForgetting:
    async def test_what_no_version_names_is_forgotten_after_a_day(self, team, kept_bodies, pool, two_days_pass):
        await team.propose("one", body="e")
        forget = ForgetOld(pool)
        assert await forget.unused_bodies() == 0
        await two_days_pass("psmp_bodies", "kept_at")
        await kept_bodies.keep(
            body("bodies/acme/" + "0" * 64, text=Commitment("0" * 64, "key-1", 3)), Sensitivity.PUBLIC
        )
        assert await forget.unused_bodies() == 30
        assert await kept_bodies.find("acme", TEXT)
        assert await kept_bodies.kept("acme", "0" * 64)
        assert await kept_bodies.kept("acme", "1" * 64) is None
