"""Two authors of one artifact: neither overwrites the other without a word."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.psmp import artifact_commands as c
from metaqore_governance_core.psmp.actor import SYSTEM, Actor
from metaqore_governance_core.psmp.artifact import decide
from metaqore_governance_core.psmp.artifact_evolve import evolve
from metaqore_governance_core.psmp.artifact_state import Artifact, Body, Content, Phase, Provenance
from metaqore_governance_core.psmp.identity import artifact_id
from metaqore_governance_core.psmp.project import Project, ProjectState
from metaqore_governance_core.psmp.refusal import PsmpRefusedError

ANN, BOB, EVE = Actor("ann"), Actor("bob"), Actor("eve")
OPEN = Project(ProjectState.OPEN)
CONTENT = Content(Body("d" * 64, "key-1", "text/plain", 3))
OWN = artifact_id("org", "garden", "a")


class Hand:
    """Gives commands to one artifact."""

    def __init__(self):
        self.artifact, self.at_us = Artifact(), 0

    def do(self, class_, *rest, by=ANN):
        self.at_us += 1
        for event in decide(self.artifact, class_(by, self.at_us, *rest), OPEN):
            self.artifact = evolve(self.artifact, event)

    def propose(self, by, parents=()):
        content = replace(CONTENT, provenance=Provenance(parents=parents))
        self.do(c.Draft, "org", "garden", "a", content, by=by)
        self.do(c.Propose, len(self.artifact.versions), (), by=by)
        return self.artifact.versions[-1]

    def phase(self, number):
        return self.artifact.versions[number - 1].phase


def test_two_who_build_upon_the_same_are_rivals():
    hand = Hand()
    hand.propose(ANN)
    hand.do(c.Activate, 1, (), by=BOB)
    assert hand.propose(ANN).phase is Phase.PROPOSED
    blocked = hand.propose(BOB)
    assert (blocked.base, blocked.phase) == (1, Phase.BLOCKED)
    [open_] = blocked.conflicts
    assert {(party.version, party.by) for party in open_.conflict.clashing} == {(2, "ann"), (3, "bob")}
    assert "built upon version 1" in open_.conflict.explanation


def test_the_next_version_of_what_counts_is_no_rival_of_it():
    hand = Hand()
    hand.propose(ANN)
    hand.do(c.Activate, 1, (), by=BOB)
    assert hand.propose(BOB).phase is Phase.PROPOSED


def test_ones_own_proposals_follow_each_other():
    hand = Hand()
    hand.propose(ANN)
    assert hand.propose(ANN).phase is Phase.PROPOSED


def test_who_names_a_version_as_parent_knows_it_and_what_that_knew():
    hand = Hand()
    hand.propose(ANN)
    hand.propose(BOB, (f"{OWN}@1",))
    assert hand.propose(EVE, (f"{OWN}@2",)).phase is Phase.PROPOSED


def test_what_another_continues_may_count_before_it():
    hand = Hand()
    hand.propose(ANN)
    hand.propose(BOB, (f"{OWN}@1",))
    hand.do(c.Rejudge, 1, ())
    hand.do(c.Activate, 1, (), by=EVE)
    hand.do(c.Rejudge, 2, ())
    hand.do(c.Activate, 2, (), by=EVE)
    assert (hand.phase(1), hand.phase(2)) == (Phase.DEPRECATED, Phase.ACTIVE)


def test_what_another_continued_does_not_take_its_place():
    hand = Hand()
    hand.propose(ANN)
    hand.propose(BOB, (f"{OWN}@1",))
    hand.do(c.Activate, 2, (), by=EVE)
    with pytest.raises(PsmpRefusedError) as refused:
        hand.do(c.Activate, 1, (), by=EVE)
    assert refused.value.code == "artifact_blocked"


def test_a_parent_of_another_artifact_is_none_of_this_one():
    hand = Hand()
    hand.propose(ANN)
    other = artifact_id("org", "garden", "b")
    assert hand.propose(BOB, (f"{other}@1",)).phase is Phase.BLOCKED


def test_what_was_activated_meanwhile_stops_who_did_not_see_it():
    hand = Hand()
    hand.propose(ANN)
    hand.do(c.Draft, "org", "garden", "a", CONTENT, by=BOB)
    hand.do(c.Activate, 1, (), by=EVE)
    hand.do(c.Propose, 2, (), by=BOB)
    assert hand.phase(2) is Phase.BLOCKED


def test_what_the_mesh_brings_back_has_no_rivals():
    hand = Hand()
    hand.propose(ANN)
    assert hand.propose(SYSTEM).phase is Phase.PROPOSED


steps = st.lists(
    st.tuples(
        st.sampled_from(["propose", "activate", "reject", "rejudge"]),
        st.sampled_from([ANN, BOB, EVE]),
        st.integers(1, 6),
    ),
    max_size=25,
)


@given(steps)
def test_what_counts_always_continues_what_counted_of_somebody_else(asked):
    """However it goes, nobody's active version is replaced by one that was made without it."""
    hand = Hand()
    for what, by, number in asked:
        before = hand.artifact.active
        try:
            if what == "propose":
                hand.propose(by)
            elif what == "activate":
                hand.do(c.Activate, number, (), by=by)
            elif what == "reject":
                hand.do(c.Reject, number, "no", by=by)
            else:
                hand.do(c.Rejudge, number, (), by=SYSTEM)
        except PsmpRefusedError:
            continue
        after = hand.artifact.active
        if before and after and before.number != after.number and before.proposed_by != after.proposed_by:
            assert after.base >= before.number
