from itertools import pairwise
from pathlib import Path

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.residency import NOWHERE, RESIDENCY_POLICIES, Locality, ResidencyPolicy, residency_policy
from metaqore_governance_core.sensitivity import Sensitivity

POLICIES_PAGE = Path(__file__).resolve().parents[3] / "docs" / "policies.md"
LOCAL, CLOUD = Locality.LOCAL, Locality.CLOUD


@pytest.mark.parametrize(
    ("policy", "sensitivity", "localities", "in_order"),
    [
        ("default", "PUBLIC", (LOCAL, CLOUD), True),
        ("default", "INTERNAL", (LOCAL,), True),
        ("default", "SENSITIVE", (LOCAL,), True),
        ("default", "CRITICAL", (LOCAL,), True),
        ("enterprise", "PUBLIC", (LOCAL, CLOUD), False),
        ("enterprise", "INTERNAL", (LOCAL,), True),
        ("enterprise", "SENSITIVE", (LOCAL,), True),
        ("enterprise", "CRITICAL", (LOCAL,), True),
        ("compliance", "PUBLIC", (LOCAL,), True),
        ("compliance", "INTERNAL", (LOCAL,), True),
        ("compliance", "SENSITIVE", (LOCAL,), True),
        ("compliance", "CRITICAL", (LOCAL,), True),
    ],
)
def test_where_each_level_may_go(policy, sensitivity, localities, in_order):
    placement = residency_policy(policy).placement(Sensitivity.parse(sensitivity))
    assert (placement.localities, placement.in_order) == (localities, in_order)


@pytest.mark.parametrize("policy", RESIDENCY_POLICIES, ids=lambda policy: policy.alias)
def test_a_policy_has_a_name_and_an_alias(policy):
    assert (
        residency_policy(policy.name)
        is residency_policy(policy.alias)
        is residency_policy(f" {policy.alias} ")
        is policy
    )


@pytest.mark.parametrize("name", ["", "Default", "none", "default_local_first_"])
def test_an_unknown_policy_is_refused_with_the_names_there_are(name):
    with pytest.raises(MetaQoreError) as refused:
        residency_policy(name)
    assert refused.value.code == "policy_unknown"
    assert "compliance_local_only" in refused.value.message


def test_a_level_that_a_policy_lacks_may_go_nowhere():
    assert ResidencyPolicy("empty", "empty", "", {}).placement(Sensitivity.PUBLIC) == NOWHERE


@pytest.mark.parametrize("policy", RESIDENCY_POLICIES, ids=lambda policy: policy.alias)
def test_a_higher_level_never_may_go_further(policy):
    allowed = [set(policy.placement(level).localities) for level in Sensitivity]
    assert all(after <= before for before, after in pairwise(allowed))


def test_the_page_shows_the_table_of_the_code():
    page = POLICIES_PAGE.read_text(encoding="utf-8")
    for line in table():
        assert line in page, "write this line into docs/policies.md"


def table():
    """The residency policies as the rows of a Markdown table."""
    levels = [level.name for level in Sensitivity]
    yield f"| policy | alias | {' | '.join(levels)} |"
    for policy in RESIDENCY_POLICIES:
        cells = [cell(policy.placement(level)) for level in Sensitivity]
        yield f"| `{policy.name}` | `{policy.alias}` | {' | '.join(cells)} |"


def cell(placement):
    return (", then " if placement.in_order else " or ").join(placement.localities)
