import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.allowpaths import AllowpathMatrix, Effect, Passage, Rule, model_tool, tool_family
from metaqore_governance_core.errors import MetaQoreError

ALLOW, FORBID = Effect.ALLOW, Effect.FORBID
compile_rules = AllowpathMatrix.compile


def naive(rules, organization, caller, tool, verb):
    """The meaning of the rules, read off one by one."""

    def fits(pattern, name):
        return pattern in ("*", name)

    def tool_fits(pattern):
        family = pattern.removesuffix("*")
        return fits(pattern, tool) or (pattern.endswith(".*") and tool.startswith(family))

    matching = {
        rule.effect
        for rule in rules
        if fits(rule.organization, organization)
        and fits(rule.caller, caller)
        and tool_fits(rule.tool)
        and fits(rule.verb, verb)
    }
    if FORBID in matching:
        return Passage.FORBIDDEN
    return Passage.ALLOWED if ALLOW in matching else Passage.MISSING


names = st.sampled_from(["a", "b", "*"])
tools = st.sampled_from(["model.x", "model.x.1", "model.y", "search", "search.web", "model", "modelx.y"])
patterns = st.sampled_from(["*", "model.*", "search.*", "model.x", "model.x.1", "search", "modelx.*"])
rules_ = st.lists(
    st.builds(Rule, effect=st.sampled_from(Effect), caller=names, tool=patterns, verb=names, organization=names),
    max_size=8,
)


@given(rules_, names, names, tools, names)
def test_the_compiled_matrix_means_what_the_rules_say(rules, organization, caller, tool, verb):
    expected = naive(rules, organization, caller, tool, verb)
    assert compile_rules(rules).permits(organization, caller, tool, verb) is expected


@given(rules_, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_means_anything(rules, random):
    shuffled = rules * 2
    random.shuffle(shuffled)
    assert compile_rules(rules) == compile_rules(shuffled)


@given(rules_, names, names, tools, names)
def test_a_further_forbid_never_opens_and_a_further_allow_never_closes(rules, organization, caller, tool, verb):
    path = (organization, caller, tool, verb)
    before = compile_rules(rules).permits(*path)
    forbidding = compile_rules([*rules, Rule(FORBID, caller, tool, verb, organization)]).permits(*path)
    allowing = compile_rules([*rules, Rule(ALLOW, caller, tool, verb, organization)]).permits(*path)
    assert forbidding is Passage.FORBIDDEN
    assert allowing is (Passage.FORBIDDEN if before is Passage.FORBIDDEN else Passage.ALLOWED)


def test_without_rules_nothing_passes():
    assert compile_rules([]).permits("org", "caller", "model.x", "generate") is Passage.MISSING


def test_forbid_wins_however_specific_the_allow():
    matrix = compile_rules([Rule(ALLOW, "bot", "model.x", "generate", "org"), Rule(FORBID, "*", "*", "*")])
    assert matrix.permits("org", "bot", "model.x", "generate") is Passage.FORBIDDEN


def test_lookups_do_not_grow_with_the_rules():
    rules = [Rule(ALLOW, f"caller-{number}", f"model.m{number}", "generate", "org") for number in range(500)]
    matrix = compile_rules(rules)
    assert len(matrix._allowed) == 1
    assert matrix.permits("org", "caller-499", "model.m499", "generate") is Passage.ALLOWED
    assert matrix.permits("org", "caller-499", "model.m498", "generate") is Passage.MISSING


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(Rule(ALLOW, "b*", "model.x", "generate"), id="a caller's name in part"),
        pytest.param(Rule(ALLOW, "", "model.x", "generate"), id="no caller"),
        pytest.param(Rule(ALLOW, "*", "model.x*", "generate"), id="a tool's name in part"),
        pytest.param(Rule(ALLOW, "*", "model.x.*", "generate"), id="a family within a family"),
        pytest.param(Rule(ALLOW, "*", ".*", "generate"), id="a family without a name"),
        pytest.param(Rule(ALLOW, "*", "", "generate"), id="no tool"),
        pytest.param(Rule(ALLOW, "*", "*.x", "generate"), id="every family"),
        pytest.param(Rule(ALLOW, "*", "model.x", "gen*"), id="a verb in part"),
        pytest.param(Rule(ALLOW, "*", "model.x", "generate", ""), id="no organization"),
        pytest.param(Rule(ALLOW, "*", "model.x", "generate", "org_*"), id="an organization's name in part"),
    ],
)
def test_a_pattern_that_would_not_mean_what_it_seems_to_is_refused(rule):
    with pytest.raises(MetaQoreError) as refused:
        compile_rules([rule])
    assert refused.value.code == "allowpath_invalid"


def test_a_model_is_a_tool_of_the_family_model():
    assert model_tool("gpt-4.1") == "model.gpt-4.1"
    assert tool_family("model.gpt-4.1") == "model.*"
    assert tool_family("search") == "search"
