"""Versions are spelt with the digits of ASCII, as the ecosystems' own tools have it."""

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.cargo_requirements import cargo_range
from metaqore_governance_core.psmp.conflicts.go_versions import go_version, module_version
from metaqore_governance_core.psmp.conflicts.npm_ranges import npm_range

THREE = "\N{ARABIC-INDIC DIGIT THREE}"


@pytest.mark.parametrize(
    ("read", "text"),
    [
        pytest.param(cargo_range, f"^1.{THREE}", id="cargo"),
        pytest.param(cargo_range, f"1.{THREE}.*", id="cargo, wild"),
        pytest.param(go_version, f"1.{THREE}", id="go"),
        pytest.param(module_version, f"v1.1{THREE}.0", id="a module of go"),
    ],
)
def test_other_digits_are_none(read, text):
    with pytest.raises(MetaQoreError) as refused:
        read(text)
    assert refused.value.code == "requirement_invalid"


def test_what_is_no_range_of_npm_may_be_a_tag():
    assert npm_range(f"^1.{THREE}.0") is None
