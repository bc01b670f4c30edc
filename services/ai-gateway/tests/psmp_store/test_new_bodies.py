"""Small texts whose rows are written with the versions that name them: all of it or nothing, and never back."""

import asyncio
from dataclasses import replace

import pytest

from metaqore_ai_gateway.adapters.psmp.forget import ForgetOld
from metaqore_ai_gateway.adapters.psmp.tenancy import of_organization
from metaqore_ai_gateway.service.psmp.new_body import NewBody
from metaqore_ai_gateway.service.psmp.transact import transact
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.sensitivity import Sensitivity

DIGEST = "n" * 64


def new(name="bodies/acme/n1", *, body="n", sensitivity=Sensitivity.PUBLIC):
    sealed = f"sealed {name}".encode()
    return NewBody(body * 64, "key-1", 3, name, f"key of {name}".encode(), sealed, sensitivity)


def bringing(team, name, body, **declared):
    """A version that brings its text."""
    draft, propose = team.proposal(name, body=body.digest[0], **declared)
    return replace(draft, body=body), propose


@pytest.fixture
def row(pool):
    async def found(digest=DIGEST):
        async with of_organization(pool, "acme") as connection:
            return await connection.fetchrow("select * from psmp_bodies where digest = $1", digest)

    return found


async def test_it_is_there_with_its_version(team, row):
    assert await row() is None
    await team.do(*bringing(team, "one", new(sensitivity=Sensitivity.SENSITIVE)))
    kept = await row()
    assert (kept["name"], kept["sealed"], kept["wrapped_key"]) == (new().name, new().sealed, new().wrapped_key)
    assert (kept["sensitivity"], kept["is_used"], kept["erased_at"]) == (Sensitivity.SENSITIVE, True, None)


async def test_of_a_version_that_is_refused_or_only_tried_nothing_is_kept(team, store, row):
    refused = team.submission(*bringing(team, "one", new()), team.ask("none", c.Approve, "reviewer"))
    tried = team.submission(*bringing(team, "two", new()), dry_run=True)
    good = team.submission(*team.proposal("three"))
    results = await transact(store, [refused, tried, good])
    assert [isinstance(one, MetaQoreError) for one in results] == [True, False, False]
    assert await row() is None


async def test_others_may_name_it_in_the_same_transaction_and_only_after_it(team, store):
    names, brings, again = (
        team.submission(*team.proposal("before", body="n")),
        team.submission(*bringing(team, "with", new())),
        team.submission(*team.proposal("after", body="n")),
    )
    before, with_, after = await transact(store, [names, brings, again])
    assert before.code == "content_missing"
    assert not [one for one in (with_, after) if isinstance(one, MetaQoreError)]


async def test_a_repeat_is_answered_and_brings_nothing(team, row):
    asked = bringing(team, "one", new())
    first = await team.do(*asked, key="k")
    again = await team.do(replace(asked[0], body=new("bodies/acme/n2")), asked[1], key="k")
    assert again.happened == first.happened
    assert (await row())["name"] == "bodies/acme/n1"


async def test_the_same_text_again_takes_the_place_of_the_former_and_stays_as_sensitive(team, row):
    await team.do(*bringing(team, "one", new(sensitivity=Sensitivity.CRITICAL)))
    await team.do(*bringing(team, "two", new("bodies/acme/n2")))
    kept = await row()
    assert (kept["name"], kept["sealed"]) == ("bodies/acme/n2", b"sealed bodies/acme/n2")
    assert kept["sensitivity"] == Sensitivity.CRITICAL


async def test_of_the_same_text_brought_twice_in_one_transaction_the_higher_sensitivity_stays(team, store, row):
    high, low = Sensitivity.CRITICAL, Sensitivity.PUBLIC
    brings = [
        team.submission(*bringing(team, "one", new(sensitivity=high))),
        team.submission(*bringing(team, "two", new("bodies/acme/n2", sensitivity=low))),
    ]
    assert not [one for one in await transact(store, brings) if isinstance(one, MetaQoreError)]
    assert (await row())["sensitivity"] == high

    drafts = [
        bringing(team, "three", new("bodies/acme/m1", body="m", sensitivity=high))[0],
        bringing(team, "four", new("bodies/acme/m2", body="m", sensitivity=low))[0],
    ]
    await team.do(*drafts)
    assert (await row("m" * 64))["sensitivity"] == high


async def test_an_erasure_takes_the_text_out_of_its_row_and_its_name_never_comes_back(team, kept_bodies, row):
    await team.do(*bringing(team, "one", new()))
    await team.do(team.ask("one", c.EraseBody, "law"))
    kept = await row()
    assert (kept["sealed"], kept["wrapped_key"], kept["erased_name"]) == (None, None, "bodies/acme/n1")
    assert kept["erased_at"] is not None

    await team.do(*bringing(team, "two", new()))
    assert (await row())["sealed"] is None
    await team.do(*bringing(team, "three", new("bodies/acme/n2")))
    assert (await row())["sealed"] == b"sealed bodies/acme/n2"
    await kept_bodies.erase("acme", DIGEST)
    assert (await row())["sealed"] is None


async def test_what_is_erased_in_the_transaction_that_brings_it_is_erased(team, store, row):
    brings = team.submission(*bringing(team, "one", new()))
    erases = team.submission(team.ask("one", c.EraseBody, "law", version=1))
    names = team.submission(*team.proposal("two", body="n"))
    brought, erased, named = await transact(store, [brings, erases, names])
    assert not [one for one in (brought, erased) if isinstance(one, MetaQoreError)]
    assert named.code == "content_missing"
    kept = await row()
    assert (kept["sealed"], kept["wrapped_key"], kept["erased_name"]) == (None, None, "bodies/acme/n1")


async def test_what_is_brought_after_its_erasure_in_one_transaction_lives(team, store, row):
    await team.do(*bringing(team, "one", new()))
    erases = team.submission(team.ask("one", c.EraseBody, "law", version=1))
    brings = team.submission(*bringing(team, "two", new("bodies/acme/n2")))
    names = team.submission(*team.proposal("three", body="n"))
    assert not [one for one in await transact(store, [erases, brings, names]) if isinstance(one, MetaQoreError)]
    assert (await row())["sealed"] == b"sealed bodies/acme/n2"


async def test_an_erasure_that_is_refused_with_its_command_erases_nothing(team, store, row):
    await team.do(*bringing(team, "one", new()))
    erases = team.submission(team.ask("one", c.EraseBody, "law", version=1), team.ask("none", c.Approve, "reviewer"))
    [refused] = await transact(store, [erases])
    assert isinstance(refused, MetaQoreError)
    assert (await row())["sealed"] == new().sealed


async def test_projects_that_bring_and_name_the_same_texts_do_not_stand_in_each_others_way(team_of, row):
    teams = [team_of(project=f"garden{at}") for at in range(6)]
    for each in teams:
        await each.create()

    async def work(at, each):
        for step in range(8):
            letters = [f"{(at + step + more) % 6}" for more in range(3)]
            texts = [new(f"bodies/acme/{at}-{step}-{letter}", body=letter) for letter in letters]
            drafts = [bringing(each, f"a{step}-{letter}", text)[0] for letter, text in zip(letters, texts, strict=True)]
            await asyncio.gather(each.do(*drafts), each.do(each.draft(f"n{step}", body=f"{(at + step + 4) % 6}")))

    await asyncio.gather(*(work(at, each) for at, each in enumerate(teams)))
    for letter in "012345":
        assert (await row(letter * 64))["sealed"].startswith(b"sealed bodies/acme/")


async def test_projects_that_bring_what_the_other_is_the_first_to_name_do_not_wait_for_each_other(team_of, store):
    ours, theirs = (team_of(project=f"garden{at}") for at in range(2))
    await asyncio.gather(ours.create(), theirs.create())  # each has a connection from here on
    for letters in ("01", "23", "45", "67", "89"):

        def given(team, brought, named):
            text = new(f"bodies/acme/{team.project}-{brought}", body=brought)
            return team.submission(bringing(team, f"b{brought}", text)[0], team.draft(f"n{named}", body=named))

        one, other = letters
        both = given(ours, one, other), given(theirs, other, one)
        results = await asyncio.gather(*(transact(store, [submission]) for submission in both))  # once, or it raises
        assert not [refused for (refused,) in results if isinstance(refused, MetaQoreError)]


async def test_projects_that_name_and_erase_the_same_text_at_once_are_all_answered(team_of):
    teams = [team_of(project=f"garden{at}") for at in range(6)]
    await asyncio.gather(*(each.create() for each in teams))  # each has a connection from here on
    for at, each in enumerate(teams):
        await each.do(*bringing(each, "one", new(f"bodies/acme/n{at}")))

    async def named(each):
        try:
            return await each.do(each.draft("two", body="n"))
        except MetaQoreError as refusal:
            return refusal.code

    erasing = [each.do(each.ask("one", c.EraseBody, "law", version=1)) for each in teams]
    results = await asyncio.gather(*(named(each) for each in teams), *erasing)
    assert {one for one in results if isinstance(one, str)} <= {"content_missing"}


async def test_another_organization_has_a_row_of_its_own(team, team_of, pool, row):
    await team.do(*bringing(team, "one", new()))
    other = team_of(organization="other", project="elsewhere")
    await other.create()
    await other.do(*bringing(other, "one", new("bodies/other/n1")))
    assert (await row())["name"] == "bodies/acme/n1"
    async with of_organization(pool, "other") as connection:
        assert await connection.fetchval("select name from psmp_bodies where digest = $1", DIGEST) == "bodies/other/n1"


async def test_what_a_version_brought_is_not_forgotten(team, pool, row, two_days_pass):
    await team.do(*bringing(team, "one", new()))
    await two_days_pass("psmp_bodies", "kept_at")
    await ForgetOld(pool).unused_bodies()
    assert await row()
