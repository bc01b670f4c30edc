"""Where versions come from and what was made from them, in both directions."""

import pytest

from metaqore_ai_gateway.service.psmp import provenance_graph
from metaqore_ai_gateway.service.psmp.ids import artifact_id
from metaqore_ai_gateway.service.psmp.reading_ports import Direction, Edge
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp import artifact_commands as c

OF = ("acme", "garden")


def of(name, number=1, project="garden"):
    return f"{artifact_id('acme', project, name)}@{number}"


@pytest.fixture
async def family(team):
    """`leaf` is made from `left` and `right`, both from `root`; `left` names an input that is nowhere."""
    await team.propose("root")
    await team.propose("left", inputs=[of("root"), "nowhere@3", "no source"])
    await team.propose("right", parents=["root@1"])
    await team.propose("leaf", inputs=[of("left")], parents=["right@1", of("left")])
    return team


def told(found):
    return [(one.artifact.artifact.name, one.version.number, one.depth) for one in found.origins]


async def test_sources_are_followed_to_their_depth(family, readings, ann):
    found = await readings.provenance(ann, artifact_id(*OF, "leaf"), 0, Direction.SOURCES, 5)
    assert told(found) == [("leaf", 1, 0), ("left", 1, 1), ("right", 1, 1), ("root", 1, 2)]
    assert set(found.edges) == {
        Edge(of("leaf"), of("left"), "input"),
        Edge(of("leaf"), of("left"), "parent"),
        Edge(of("leaf"), of("right"), "parent"),
        Edge(of("left"), of("root"), "input"),
        Edge(of("left"), of("nowhere", 3), "input"),
        Edge(of("right"), of("root"), "parent"),
    }
    assert found.unknown == (of("nowhere", 3),)
    assert not found.cut
    near = await readings.provenance(ann, artifact_id(*OF, "leaf"), 1, Direction.SOURCES, 1)
    assert told(near) == [("leaf", 1, 0), ("left", 1, 1), ("right", 1, 1)]
    assert told(await readings.provenance(ann, artifact_id(*OF, "leaf"), 1, Direction.SOURCES, 0)) == [("leaf", 1, 0)]
    assert family


async def test_what_was_made_is_followed_back(family, readings, ann):
    found = await readings.provenance(ann, artifact_id(*OF, "root"), 1, Direction.DERIVED, 5)
    assert told(found) == [("root", 1, 0), ("left", 1, 1), ("right", 1, 1), ("leaf", 1, 2)]
    assert found.unknown == ()
    assert family


async def test_a_draft_that_is_amended_names_what_it_names_now(team, readings, ann):
    for name in ("one", "two"):
        await team.propose(name)
    await team.do(team.draft("made", inputs=["one@1"]))
    await team.do(team.ask("made", c.Amend, team.content(inputs=["two@1"])))
    found = await readings.provenance(ann, artifact_id(*OF, "made"), 1, Direction.SOURCES, 1)
    assert told(found) == [("made", 1, 0), ("two", 1, 1)]


async def test_it_leads_through_projects_and_to_no_other_organization(family, team_of, readings, ann, stranger):
    yard = team_of(project="yard")
    await yard.create()
    await yard.propose("far", inputs=[of("leaf")])
    other = team_of(organization="other")
    await other.create()
    await other.propose("theirs", inputs=[of("leaf")])
    found = await readings.provenance(ann, artifact_id(*OF, "leaf"), 1, Direction.DERIVED, 3)
    assert told(found) == [("leaf", 1, 0), ("far", 1, 1)]
    theirs = await readings.provenance(stranger, artifact_id("other", "garden", "theirs"), 1, Direction.SOURCES, 3)
    assert (told(theirs), theirs.unknown) == ([("theirs", 1, 0)], (of("leaf"),))
    with pytest.raises(MetaQoreError, match="no artifact"):
        await readings.provenance(stranger, artifact_id(*OF, "leaf"), 1, Direction.SOURCES, 3)
    assert family


async def test_rings_end_and_graphs_are_bounded(team, readings, ann, monkeypatch):
    for at in range(6):
        await team.propose(f"a{at}", inputs=[f"a{(at + 1) % 6}@1"])
    id_ = artifact_id(*OF, "a0")
    whole = await readings.provenance(ann, id_, 1, Direction.SOURCES, 100)
    assert (len(whole.origins), len(whole.edges), whole.cut) == (6, 6, False)
    monkeypatch.setattr(provenance_graph, "MOST_VERSIONS", 3)
    part = await readings.provenance(ann, id_, 1, Direction.SOURCES, 100)
    assert (len(part.origins), len(part.edges), part.cut) == (3, 2, True)
    monkeypatch.setattr(provenance_graph, "MOST_EDGES", 1)
    part = await readings.provenance(ann, id_, 1, Direction.SOURCES, 100)
    assert (len(part.edges), part.cut) == (1, True)
    for depth in (-1, 101):
        with pytest.raises(MetaQoreError, match="depth of 0 to 100"):
            await readings.provenance(ann, id_, 1, Direction.SOURCES, depth)
