"""However many declare the same, who clashes with them is told so within the bounds of one judgement."""

import json

import pytest

from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement, cargo_conflicts
from metaqore_governance_core.psmp.conflicts.effort import bounded_effort
from metaqore_governance_core.psmp.conflicts.model import ConflictType, Party
from metaqore_governance_core.psmp.conflicts.npm_manifests import package_json
from metaqore_governance_core.psmp.conflicts.npm_tree import npm_conflicts
from metaqore_governance_core.psmp.conflicts.python_requirements import python_conflicts, python_requirement

MANY = 3000
WHEEL = "numpy @ https://example.org/numpy-1.26.0-py3-none-any.whl"


def party(number, text):
    return Party(f"artifact-{number}", 1, f"agent-{number}", text)


def of_python(texts):
    return [python_requirement(party(number, text), text) for number, text in enumerate(texts)]


def of_groups(texts):
    return [
        python_requirement(party(number, text), text, scope="group dev" if number else "")
        for number, text in enumerate(texts)
    ]


def of_npm(section, ranges):
    return [
        entry
        for number, text in enumerate(ranges)
        for entry in package_json(
            party(number, text), json.dumps({section: {"react": text}}), f"packages/m{number}/package.json"
        ).entries
    ]


@pytest.mark.parametrize(
    ("judge", "requirements", "type_"),
    [
        pytest.param(
            python_conflicts,
            of_python(["numpy>=1.26,<2"] * MANY + ["numpy>=2.1"]),
            ConflictType.PYTHON_VERSIONS,
            id="Python versions",
        ),
        pytest.param(
            python_conflicts, of_python([WHEEL] * MANY + ["numpy>=2.1"]), ConflictType.PYTHON_VERSIONS, id="Python URLs"
        ),
        pytest.param(
            python_conflicts,
            of_python([WHEEL] * MANY + [WHEEL.replace(".org", ".com")]),
            ConflictType.PYTHON_URLS,
            id="two Python URLs",
        ),
        pytest.param(
            python_conflicts,
            of_python(["numpy @ git+https://example.org/numpy"] * MANY + ["numpy>=2.1"]),
            ConflictType.PYTHON_UNKNOWN_VERSION,
            id="Python repositories",
        ),
        pytest.param(
            npm_conflicts,
            of_npm("peerDependencies", ["^18"] * MANY + ["^17"]),
            ConflictType.NPM_PEERS,
            id="npm peers",
        ),
        pytest.param(
            npm_conflicts, of_npm("dependencies", ["^18"] * MANY + ["^17"]), ConflictType.NPM_NESTED, id="npm ranges"
        ),
    ],
)
def test_who_clashes_with_many_is_told_so(judge, requirements, type_):
    with bounded_effort():
        (found,) = judge("key", requirements)
    assert found.type is type_
    assert len(found.parties) == MANY + 1
    assert f"artifact-{MANY}" in {one.artifact for one in found.clashing}
    assert len(found.clashing) == 2


@pytest.mark.parametrize(
    ("judge", "requirements"),
    [
        pytest.param(python_conflicts, of_python([WHEEL] * MANY), id="one Python URL"),
        pytest.param(python_conflicts, of_groups(["numpy>=2"] * MANY), id="a Python group each"),
        pytest.param(npm_conflicts, of_npm("peerDependencies", ["^18"] * MANY), id="npm peers"),
    ],
)
def test_many_who_declare_the_same_suit_each_other(judge, requirements):
    with bounded_effort():
        assert judge("key", requirements) == []


def test_requirements_of_cargo_may_be_as_many_as_python_has_frames():
    texts = [f">=1.{minor}, <2" for minor in range(1500)]
    requirements = [CargoRequirement(party(number, text), "serde", text) for number, text in enumerate(texts)]
    assert cargo_conflicts("key", requirements) == []
    (found,) = cargo_conflicts("key", [*requirements, CargoRequirement(party(9999, "=1.2.3"), "serde", "=1.2.3")])
    assert len(found.clashing) == 2
