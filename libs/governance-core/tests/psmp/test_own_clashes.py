"""One's own clashes are found, whoever else clashes without one, and nobody is stopped for the clashes of others."""

from hypothesis import given, settings
from hypothesis import strategies as st

from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.own_clashes import own_clashes
from metaqore_governance_core.psmp.conflicts.paths import path_claims, path_conflicts
from metaqore_governance_core.psmp.conflicts.python_requirements import python_conflicts, python_requirement

RANGES = st.sampled_from(
    ["x<2", "x>=2", "x>=1,<3", "x==1.5", "x!=1.*", "x<2; sys_platform == 'linux'", "x>=2; sys_platform == 'win32'", "x"]
)


def needs(artifact, version, text):
    return python_requirement(Party(artifact, version, f"agent-{artifact}", text), text)


@st.composite
def standing(draw):
    """Versions of a few artifacts, of some more than one, in any order."""
    made = []
    for artifact in draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=4)):
        made += [
            needs(artifact, version, draw(RANGES))
            for version in draw(st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True))
        ]
    return draw(st.permutations(made))


def judge(entries):
    return python_conflicts("x", entries)


def of_own(others, mine):
    return [one for one in judge([*others, mine]) if any(party.artifact == "own" for party in one.clashing)]


def can_stand(some):
    artifacts = [one.party.artifact for one in some]
    return len(set(artifacts)) == len(artifacts) and not judge(some)


@settings(max_examples=300, deadline=None)
@given(standing(), RANGES)
def test_what_is_found_is_one_s_own_and_where_anybody_clashes_with_one_something_is(others, text):
    """Which of several clashes is told first is open: what is left of them is found when that one has ended."""
    mine = needs("own", 1, text)
    found = own_clashes("own", others, [mine], judge)
    assert all(any(party.artifact == "own" for party in one.clashing) for one in found)
    assert all(one.clashing for one in found)
    for one in others:
        if can_stand([one]) and of_own([one], mine):
            assert found
    if can_stand(others) and of_own(others, mine):
        assert found


@settings(max_examples=300, deadline=None)
@given(standing(), RANGES)
def test_the_oldest_of_each_are_judged_together(others, text):
    mine = needs("own", 1, text)
    oldest = [
        one for one in others if one.party.version == min(o.party.version for o in others if same_artifact(o, one))
    ]
    if can_stand(oldest) and of_own(oldest, mine):
        assert own_clashes("own", others, [mine], judge)


def same_artifact(one, other):
    return one.party.artifact == other.party.artifact


def test_a_version_and_the_one_that_is_to_take_its_place_do_not_hide_what_one_of_them_has_against_a_third():
    now, then, mine = needs("a", 1, "x<2"), needs("a", 2, "x>=2"), needs("own", 1, "x<2")
    for others in ([now, then], [then, now]):
        (found,) = own_clashes("own", others, [mine], judge)
        assert {(party.artifact, party.version) for party in found.clashing} == {("a", 2), ("own", 1)}
    assert own_clashes("own", [now, then], [needs("own", 1, "x")], judge) == []


def test_others_that_clash_do_not_hide_it_whichever_of_them_it_clashes_with():
    low, high = needs("a", 1, "x<2"), needs("b", 1, "x>=2")
    for text, against in (("x<2", "b"), ("x>=2", "a")):
        (found,) = own_clashes("own", [low, high], [needs("own", 1, text)], judge)
        assert {party.artifact for party in found.clashing} == {against, "own"}


def test_many_that_want_the_new_and_many_that_have_the_old_cost_few_questions():
    others = [needs(f"a{at}", version, text) for at in range(40) for version, text in ((1, "x<2"), (2, "x>=2"))]
    asked = []

    def counted(entries):
        asked.append(entries)
        return judge(entries)

    assert own_clashes("own", others, [needs("own", 1, "x!=7")], counted) == []
    assert len(asked) <= 3


def test_others_that_rename_apart_do_not_hide_that_one_renames_to_a_third_name():
    claims = [
        claim
        for name, target in (("a", "y"), ("b", "z"), ("own", "z"))
        for claim in path_claims(Party(name, 1, name, ""), [], [("x", target)])
    ]
    clashing = [{party.artifact for party in one.clashing} for one in path_conflicts(claims) if one.key == "path:x"]
    assert clashing == [{"a", "own"}]
