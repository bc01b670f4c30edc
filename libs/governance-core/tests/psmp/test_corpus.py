"""The rules against what the real tools said. Scripts beside the corpus made it; this needs none of the tools."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.cargo_manifests import cargo_toml
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement, cargo_conflicts, cargo_range
from metaqore_governance_core.psmp.conflicts.go_manifests import go_mod, go_work
from metaqore_governance_core.psmp.conflicts.go_requirements import go_conflicts
from metaqore_governance_core.psmp.conflicts.maven_manifests import pom_xml
from metaqore_governance_core.psmp.conflicts.maven_requirements import MavenRequirement, maven_conflicts
from metaqore_governance_core.psmp.conflicts.maven_versions import maven_version
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_manifests import package_json, package_lock_peers
from metaqore_governance_core.psmp.conflicts.npm_ranges import npm_range
from metaqore_governance_core.psmp.conflicts.npm_tree import npm_conflicts
from metaqore_governance_core.psmp.conflicts.python_requirements import python_conflicts, python_requirement

CORPUS = Path(__file__).resolve().parents[4] / "tests" / "corpus" / "conflicts"
PYTHON = json.loads((CORPUS / "python.json").read_text(encoding="utf-8"))
NPM = json.loads((CORPUS / "npm.json").read_text(encoding="utf-8"))
CARGO = json.loads((CORPUS / "cargo.json").read_text(encoding="utf-8"))
MAVEN = json.loads((CORPUS / "maven.json").read_text(encoding="utf-8"))
GO = json.loads((CORPUS / "go.json").read_text(encoding="utf-8"))
FALSE_BLOCKS_ALLOWED = 0.01


def python_blocks(case):
    requirements = [
        python_requirement(
            Party(f"artifact-{number}", 1, f"agent-{number}", line), line, environment=case["environment"]
        )
        for number, line in enumerate(case["requirements"])
    ]
    return any(one.blocks for one in python_conflicts("python:pkg", requirements))


def npm_blocks(case):
    entries = []
    for path, manifest in case["files"].items():
        entries += package_json(Party(path, 1, f"agent of {path}", ""), json.dumps(manifest), path).entries
    lock = {"packages": {f"node_modules/{name}": one for name, one in case["plugins"].items()}}
    entries += package_lock_peers(Party("package-lock.json", 1, "npm", ""), json.dumps(lock)).entries
    foo = [one for one in entries if one.name == "foo"]
    return any(one.blocks for one in npm_conflicts("npm:foo", foo))


def cargo_blocks(case):
    requirements = [
        CargoRequirement(Party(f"crate-{number}", 1, f"agent-{number}", text), "foo", text)
        for number, text in enumerate(case["requirements"])
    ]
    return any(one.blocks for one in cargo_conflicts("cargo:foo", requirements))


def maven_blocks(case):
    requirements = [
        MavenRequirement(Party(f"module-{number}", 1, f"agent-{number}", text), "group:foo", text)
        for number, text in enumerate(case["requirements"])
    ]
    return any(one.blocks for one in maven_conflicts("maven:group:foo", requirements))


def go_blocks(case):
    entries = []
    for number, lines in enumerate(case["modules"]):
        path = f"m{number}/go.mod"
        text = "\n".join([f"module example.com/m{number}", *lines])
        entries += go_mod(Party(path, 1, f"agent-{number}", ""), text, path).entries
    entries += go_work(Party("go.work", 1, "agent", ""), "\n".join(case["work"])).entries
    names = {one.name for one in entries}
    judged = (go_conflicts(f"go:{name}", [one for one in entries if one.name == name]) for name in sorted(names))
    return any(one.blocks for found in judged for one in found)


@pytest.mark.parametrize("held_back", [False, True], ids=["developed on", "held back"])
@pytest.mark.parametrize(
    ("corpus", "blocks"),
    [
        (PYTHON, python_blocks),
        (NPM, npm_blocks),
        (CARGO, cargo_blocks),
        (MAVEN, maven_blocks),
        (GO, go_blocks),
    ],
    ids=["python", "npm", "cargo", "maven", "go"],
)
def test_every_conflict_is_found_and_hardly_any_is_made_up(corpus, blocks, held_back):
    cases = [case for case in corpus["cases"] if case["held_back"] is held_back]
    compatible = [case for case in cases if case["compatible"]]
    missed = [case["name"] for case in cases if not case["compatible"] and not blocks(case)]
    made_up = [case["name"] for case in compatible if blocks(case)]
    assert missed == []
    assert len(made_up) <= FALSE_BLOCKS_ALLOWED * len(compatible), made_up


@pytest.mark.parametrize("corpus", [PYTHON, NPM, CARGO, MAVEN, GO], ids=["python", "npm", "cargo", "maven", "go"])
def test_the_corpus_is_large_and_balanced(corpus):
    for compatible in (True, False):
        assert sum(case["compatible"] is compatible for case in corpus["cases"]) >= 50
        assert sum(case["held_back"] and case["compatible"] is compatible for case in corpus["cases"]) >= 20


@pytest.mark.parametrize(("text", "satisfied"), NPM["semver"]["ranges"].items(), ids=lambda value: str(value)[:30])
def test_a_range_holds_what_node_semver_says(text, satisfied):
    allowed = npm_range(text)
    if satisfied is None:
        assert allowed is None
        return
    assert allowed is not None
    assert [version for version in NPM["semver"]["versions"] if holds(allowed, version)] == satisfied


def holds(allowed, version):
    return not allowed.meet(npm_range(version)).is_empty


@pytest.mark.parametrize(("one", "other", "order"), MAVEN["order"], ids=str)
def test_versions_of_maven_are_in_its_order(one, other, order):
    this, that = maven_version(one), maven_version(other)
    assert (this > that) - (this < that) == order
    assert (this == that) is (order == 0)


@pytest.mark.parametrize(("text", "read"), CARGO["read"].items(), ids=lambda value: str(value)[:30])
def test_a_text_is_a_requirement_where_cargo_reads_it(text, read):
    with nullcontext() if read else pytest.raises(MetaQoreError, match="This is no requirement of Cargo"):
        cargo_range(text)


@pytest.mark.parametrize("way", CARGO["ways"], ids=lambda way: way["members"][0])
def test_dependencies_meet_as_cargo_has_it(way):
    entries = [
        entry
        for number, text in enumerate(way["members"])
        for entry in cargo_toml(Party(f"m{number}", 1, f"agent-{number}", ""), text).entries
    ]
    foo = [one for one in entries if one.name == "foo"]
    assert any(one.blocks for one in cargo_conflicts("cargo:foo", foo)) is not way["compatible"]


@pytest.mark.parametrize(("pom", "passed_on"), MAVEN["poms"], ids=str)
def test_a_pom_passes_on_what_maven_says(pom, passed_on):
    assert [f"{one.name}@{one.text}" for one in pom_xml(Party("mine", 1, "ann", ""), pom).entries] == passed_on
