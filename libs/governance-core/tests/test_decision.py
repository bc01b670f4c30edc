from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.allowpaths import AllowpathMatrix, Effect, Passage, Rule
from metaqore_governance_core.decision import (
    DENIALS,
    GENERATE,
    MISSING_SCOPE,
    Request,
    Verdict,
    decide,
    denial,
    make_policy,
)
from metaqore_governance_core.errors import ErrorKind
from metaqore_governance_core.identity import DEFAULT_SCOPES, Caller
from metaqore_governance_core.residency import RESIDENCY_POLICIES, Locality, residency_policy
from metaqore_governance_core.scanner import Findings
from metaqore_governance_core.sensitivity import Sensitivity

CALLER = Caller("key_1", "org_1", "bot", DEFAULT_SCOPES)
EVERYWHERE = frozenset(Locality)
ALLOW_MODELS = AllowpathMatrix.compile([Rule(Effect.ALLOW, "*", "model.*", GENERATE)])
FORBID_BOT = AllowpathMatrix.compile(
    [Rule(Effect.ALLOW, "*", "model.*", GENERATE), Rule(Effect.FORBID, "bot", "model.*", "*")]
)
NO_RULES = AllowpathMatrix.compile([])
DEFAULT = make_policy(residency_policy("default"), ALLOW_MODELS, {"payroll": Sensitivity.SENSITIVE})


def request(**changes):
    return Request(**{"caller": CALLER, "tool": "model.x", "verb": GENERATE, "candidates": EVERYWHERE} | changes)


levels = st.sampled_from(Sensitivity)
kinds = st.sampled_from(["email", "iban", "card", "credential.aws_access_key", "credential.jwt", "unheard_of"])
findings = st.dictionaries(kinds, st.integers(1, 9), max_size=3).map(Findings)
requests = st.builds(
    request,
    candidates=st.frozensets(st.sampled_from(Locality)),
    label=st.none() | levels,
    project=st.none() | st.sampled_from(["payroll", "garden"]),
    findings=findings,
    scanner_failed=st.booleans(),
    tool=st.sampled_from(["model.x", "search"]),
)
policies = st.builds(
    make_policy,
    st.sampled_from(RESIDENCY_POLICIES),
    st.sampled_from([ALLOW_MODELS, FORBID_BOT, NO_RULES]),
    st.dictionaries(st.sampled_from(["payroll", "garden"]), levels),
)


@given(policies, requests)
def test_what_is_permitted_has_an_allowpath_a_place_and_no_credential(policy, asked):
    decision = decide(policy, asked)
    if decision.permitted:
        path = (CALLER.organization, CALLER.name, asked.tool, asked.verb)
        assert policy.allowpaths.permits(*path) is Passage.ALLOWED
        assert not asked.findings.holds_credential
        assert decision.localities
    else:
        assert decision.localities == ()
        assert any(reason in DENIALS for reason in decision.reasons)


@given(policies, requests)
def test_nothing_leaves_for_where_its_sensitivity_may_not_go(policy, asked):
    decision = decide(policy, asked)
    allowed = policy.residency.placement(decision.sensitivity).localities
    assert set(decision.localities) <= set(allowed) & asked.candidates
    if decision.sensitivity is not Sensitivity.PUBLIC:
        assert Locality.CLOUD not in decision.localities


@given(policies, requests)
def test_sensitivity_is_the_highest_of_its_sources(policy, asked):
    decision = decide(policy, asked)
    opinions = [
        Sensitivity.PUBLIC,
        asked.findings.sensitivity,
        *([asked.label] if asked.label is not None else []),
        *([policy.project_labels[asked.project]] if asked.project in policy.project_labels else []),
        *([Sensitivity.CRITICAL] if asked.scanner_failed else []),
    ]
    assert decision.sensitivity is max(opinions)
    assert bool(decision.sensitivity_sources) or decision.sensitivity is Sensitivity.PUBLIC


@given(policies, requests, levels)
def test_a_label_raises_and_never_lowers(policy, asked, label):
    unlabelled = decide(policy, request(**{**fields(asked), "label": None}))
    labelled = decide(policy, request(**{**fields(asked), "label": label}))
    assert labelled.sensitivity is max(unlabelled.sensitivity, label)
    assert set(labelled.localities) <= set(unlabelled.localities)


@given(policies, requests)
def test_a_decision_is_the_same_each_time_and_names_its_policy(policy, asked):
    decision = decide(policy, asked)
    assert decision == decide(policy, asked)
    assert (decision.policy, decision.policy_version) == (policy.residency.name, policy.version)


def fields(asked):
    return {name: getattr(asked, name) for name in Request.__slots__}


@pytest.mark.parametrize(
    ("asked", "sensitivity", "sources", "localities"),
    [
        pytest.param({}, "PUBLIC", (), ("local", "cloud"), id="a plain question"),
        pytest.param({"label": Sensitivity.INTERNAL}, "INTERNAL", ("caller:INTERNAL",), ("local",), id="a label"),
        pytest.param({"project": "payroll"}, "SENSITIVE", ("project:SENSITIVE",), ("local",), id="a project's label"),
        pytest.param({"project": "garden"}, "PUBLIC", (), ("local", "cloud"), id="a project without a label"),
        pytest.param(
            {"findings": Findings({"iban": 1, "email": 2})},
            "SENSITIVE",
            ("scanner:email", "scanner:iban"),
            ("local",),
            id="personal identifiers",
        ),
        pytest.param(
            {"label": Sensitivity.PUBLIC, "findings": Findings({"email": 1})},
            "SENSITIVE",
            ("caller:PUBLIC", "scanner:email"),
            ("local",),
            id="a label does not lower what was found",
        ),
        pytest.param(
            {"candidates": frozenset({Locality.CLOUD})}, "PUBLIC", (), ("cloud",), id="only cloud, and public"
        ),
    ],
)
def test_what_is_permitted(asked, sensitivity, sources, localities):
    decision = decide(DEFAULT, request(**asked))
    assert decision.verdict is Verdict.PERMIT
    assert decision.reasons == ("allowpath_allowed", "residency_permitted")
    assert (decision.sensitivity.name, decision.sensitivity_sources, decision.localities) == (
        sensitivity,
        sources,
        localities,
    )


CREDENTIAL = Findings({"credential.aws_access_key": 1})
CLOUD_ONLY = frozenset({Locality.CLOUD})


@pytest.mark.parametrize(
    ("matrix", "asked", "reasons"),
    [
        pytest.param(ALLOW_MODELS, {"findings": CREDENTIAL}, ("credential_in_prompt",), id="a credential"),
        pytest.param(NO_RULES, {}, ("allowpath_missing",), id="no rule"),
        pytest.param(FORBID_BOT, {}, ("allowpath_forbidden",), id="a forbidding rule"),
        pytest.param(ALLOW_MODELS, {"verb": "train"}, ("allowpath_missing",), id="another verb"),
        pytest.param(
            ALLOW_MODELS,
            {"label": Sensitivity.INTERNAL, "candidates": CLOUD_ONLY},
            ("residency_no_provider",),
            id="only cloud, and not public",
        ),
        pytest.param(ALLOW_MODELS, {"candidates": frozenset()}, ("residency_no_provider",), id="no provider at all"),
        pytest.param(
            NO_RULES,
            {"findings": CREDENTIAL, "candidates": CLOUD_ONLY},
            ("credential_in_prompt", "allowpath_missing", "residency_no_provider"),
            id="everything at once, the gravest first",
        ),
        pytest.param(
            ALLOW_MODELS,
            {"scanner_failed": True, "candidates": CLOUD_ONLY},
            ("residency_no_provider", "scanner_failed"),
            id="a failed scan and only cloud",
        ),
    ],
)
def test_what_is_denied(matrix, asked, reasons):
    decision = decide(make_policy(residency_policy("default"), matrix), request(**asked))
    assert (decision.verdict, decision.reasons, decision.localities) == (Verdict.DENY, reasons, ())
    refused = denial(decision.reasons)
    assert (refused.code, refused.kind, refused.reasons, refused.retryable) == (
        reasons[0],
        ErrorKind.FORBIDDEN,
        reasons,
        False,
    )


@given(policies, requests)
def test_no_policy_permits_a_key_what_it_lacks_a_scope_for(policy, asked):
    decision = decide(policy, replace(asked, needs=("psmp:write", "psmp:mode")))
    assert (decision.permitted, decision.reasons[0]) == (False, MISSING_SCOPE)
    assert decide(policy, replace(asked, needs=("psmp:write",))) == decide(policy, asked)


@pytest.mark.parametrize("residency", RESIDENCY_POLICIES, ids=lambda policy: policy.alias)
def test_a_credential_is_denied_under_every_policy(residency):
    policy = make_policy(residency, ALLOW_MODELS)
    assert decide(policy, request(findings=CREDENTIAL)).reasons == ("credential_in_prompt",)


def test_a_scanner_that_fails_makes_it_critical():
    decision = decide(DEFAULT, request(scanner_failed=True, label=Sensitivity.PUBLIC))
    assert (decision.sensitivity, decision.localities) == (Sensitivity.CRITICAL, (Locality.LOCAL,))
    assert decision.reasons == ("allowpath_allowed", "residency_permitted", "scanner_failed")
    assert decision.sensitivity_sources == ("caller:PUBLIC", "scanner:failed")


def test_only_the_default_policy_orders_what_is_public():
    decisions = {
        policy.alias: decide(make_policy(policy, ALLOW_MODELS), request()).in_order for policy in RESIDENCY_POLICIES
    }
    assert decisions == {"default": True, "enterprise": False, "compliance": True}


def test_the_version_changes_with_everything_that_decides():
    default = residency_policy("default")
    versions = {
        make_policy(default, ALLOW_MODELS).version,
        make_policy(default, FORBID_BOT).version,
        make_policy(residency_policy("enterprise"), ALLOW_MODELS).version,
        make_policy(residency_policy("compliance"), ALLOW_MODELS).version,
        make_policy(default, ALLOW_MODELS, {"payroll": Sensitivity.SENSITIVE}).version,
        make_policy(default, ALLOW_MODELS, {"payroll": Sensitivity.CRITICAL}).version,
        make_policy(default, ALLOW_MODELS, localities={"model.m": {Locality.LOCAL}}).version,
        make_policy(default, ALLOW_MODELS, localities={"model.m": {Locality.CLOUD}}).version,
        make_policy(default, ALLOW_MODELS, localities={"model.m": set(Locality)}).version,
    }
    assert len(versions) == 9
    assert all(len(version) == 16 and set(version) <= set("0123456789abcdef") for version in versions)


def test_the_version_does_not_change_with_the_order_of_rules():
    rules = [Rule(Effect.ALLOW, "a", "model.*", GENERATE), Rule(Effect.FORBID, "b", "*", "*")]
    default = residency_policy("default")
    versions = {
        make_policy(default, AllowpathMatrix.compile(order), labels).version
        for order in (rules, rules[::-1])
        for labels in (
            {"x": Sensitivity.PUBLIC, "y": Sensitivity.CRITICAL},
            {"y": Sensitivity.CRITICAL, "x": Sensitivity.PUBLIC},
        )
    }
    assert len(versions) == 1


def test_an_unknown_reason_is_still_a_denial():
    assert denial(("brand_new",)).code == "denied"
