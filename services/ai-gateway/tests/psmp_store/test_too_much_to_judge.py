"""What has become too much to be judged again stops nobody else."""

from metaqore_governance_core.psmp import artifact_commands as c

PACKAGES, AT_ONCE, FORMS = 70, 10, 40
"""Each small proposal is quickly judged; what meets all of them is beyond the bound."""


async def test_what_stands_in_its_way_ends_all_the_same(store, team):
    await team.stand("small", paths=["x.py"])
    needs = [f"p{at}>=1," + ",".join(f"!=1.{each}.{at}" for each in range(20)) for at in range(PACKAGES)]
    await team.propose("large", by=team.eve, paths=["x.py"], needs=needs)
    for form in range(FORMS):
        needs = [f"p{at}>=0.{form}" for at in range(PACKAGES)]
        some = [needs[at : at + AT_ONCE] for at in range(0, PACKAGES, AT_ONCE)]
        offered = [team.proposal(f"{form}-{at}", by=team.eve, needs=own) for at, own in enumerate(some)]
        await team.do(*(asked for one in offered for asked in one))
    ended = await team.do(team.ask("small", c.Deprecate, "old", by=team.bob))
    assert team.phase(ended, "small") == "deprecated"
    assert (await team.state(store, "large")).versions[0].phase == "blocked"
