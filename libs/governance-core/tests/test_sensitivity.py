import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.scanner import Findings, sensitivity_of
from metaqore_governance_core.sensitivity import Sensitivity


@pytest.mark.parametrize("level", Sensitivity)
def test_a_level_is_known_by_its_name_in_any_case(level):
    assert Sensitivity.parse(level.name) is Sensitivity.parse(f" {level.name.lower()} ") is level


@pytest.mark.parametrize("name", ["", "0", "SECRET", "PUBLIC,INTERNAL", "name"])
def test_an_unknown_level_is_refused(name):
    with pytest.raises(MetaQoreError) as refused:
        Sensitivity.parse(name)
    assert refused.value.code == "sensitivity_unknown"
    assert "CRITICAL" in refused.value.message


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("email", Sensitivity.SENSITIVE),
        ("iban", Sensitivity.SENSITIVE),
        ("card", Sensitivity.SENSITIVE),
        ("card.amex", Sensitivity.SENSITIVE),
        ("credential.aws_access_key", Sensitivity.CRITICAL),
        ("credential", Sensitivity.CRITICAL),
        ("something_new", Sensitivity.CRITICAL),
    ],
)
def test_what_a_finding_means(kind, level):
    assert sensitivity_of(kind) is level
    assert Findings({kind: 1}).sensitivity is level


def test_findings_are_as_sensitive_as_their_worst():
    assert Findings({}).sensitivity is Sensitivity.PUBLIC
    assert Findings({"email": 3, "credential.github_token": 1}).sensitivity is Sensitivity.CRITICAL


@pytest.mark.parametrize(
    ("kinds", "holds"),
    [([], False), (["email"], False), (["credentials_policy"], False), (["email", "credential.x"], True)],
)
def test_only_credentials_veto(kinds, holds):
    assert Findings(dict.fromkeys(kinds, 1)).holds_credential is holds
