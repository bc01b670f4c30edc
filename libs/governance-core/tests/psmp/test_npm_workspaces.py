"""Overrides that contradict the manifest they stand in: npm refuses them at the root of a tree, wherever that is."""

import json
from collections import defaultdict

import pytest

from metaqore_governance_core.psmp.artifact_state import Artifact, Body, Content, Phase, Version
from metaqore_governance_core.psmp.conflicts.judge import conflicts_of
from metaqore_governance_core.psmp.conflicts.model import ConflictType, Party
from metaqore_governance_core.psmp.conflicts.npm_manifests import package_json
from metaqore_governance_core.psmp.conflicts.npm_workspaces import is_member
from metaqore_governance_core.psmp.declared import declaration_of, dependencies_of

TORN = {"dependencies": {"foo": "^1"}, "overrides": {"foo": "2.0.0"}}


def declared(path, document):
    manifest = package_json(Party(path, 1, "ann", ""), json.dumps(document), path)
    content = Content(Body("digest", "key", "application/json", 1), dependencies=dependencies_of(manifest))
    return declaration_of(Artifact("o", "p", path), Version(1, content, Phase.DRAFT, 0, "ann"), 1)


def found(path, document, **standing):
    """The types of the conflicts of a manifest, among others that stand, read as the index gives them."""
    index = defaultdict(list)
    for other, text in standing.items():
        for key, entry in declared(other.replace("__", "/") + "package.json", text).stored():
            index[key].append(entry)
    declaration = declared(path, document)
    shared = {key: index[key] for key in declaration.read()}
    return [one.type for one in conflicts_of(declaration, shared) if one.blocks]


@pytest.mark.parametrize(
    ("path", "standing", "refused"),
    [
        pytest.param("package.json", {}, True, id="at the top"),
        pytest.param("web/package.json", {}, True, id="in a folder, and nothing above"),
        pytest.param(
            "web/package.json", {"": {"dependencies": {"foo": "^1"}}}, True, id="a manifest above without any"
        ),
        pytest.param("web/package.json", {"": {"workspaces": ["api"]}}, True, id="others are members above"),
        pytest.param("web/package.json", {"": {"workspaces": ["web"]}}, False, id="a member"),
        pytest.param("web/package.json", {"": {"workspaces": {"packages": ["w*"]}}}, False, id="a member by a pattern"),
        pytest.param("web/package.json", {"api__": {"workspaces": ["web"]}}, True, id="of a tree elsewhere"),
        pytest.param("web/a/package.json", {"web__": {"workspaces": ["./a/"]}}, False, id="of a tree in a folder"),
    ],
)
def test_overrides_that_contradict_their_manifest(path, standing, refused):
    assert found(path, TORN, **standing) == [ConflictType.NPM_OVERRIDE] * refused


def test_a_manifest_is_judged_with_its_own_workspaces_too():
    document = {**TORN, "workspaces": ["packages/*"]}
    assert found("web/package.json", document) == [ConflictType.NPM_OVERRIDE]


def test_who_has_workspaces_clashes_with_nobody():
    assert found("package.json", {"workspaces": ["a"]}, web__={"workspaces": ["a"]}) == []


@pytest.mark.parametrize(
    ("patterns", "folder", "member"),
    [
        (["packages/*"], "packages/a", True),
        (["packages/*"], "packages/a/b", False),
        (["packages/*"], "packages", False),
        (["packages/**"], "packages/a/b", True),
        (["**"], "a/b", True),
        (["**/b"], "a/b", True),
        (["**/b"], "b", True),
        (["a/**/b/**/c"], "a/x/y/b/c", True),
        (["a/**/b/**/c"], "a/x/y/c", False),
        (["./a"], "a", True),
        (["a/"], "a", True),
        (["packages/{a,b}"], "packages/a", True),
        (["packages/*", "!packages/a"], "packages/a", False),
        (["packages/*", "!packages/a"], "packages/b", True),
        (["!packages/a", "packages/*"], "packages/a", False),
        (["packages/**", "!packages/a/**", "packages/a/b"], "packages/a/b", True),
        (["!!packages/*"], "packages/a", True),
        ([], "a", False),
    ],
)
def test_which_folders_are_members(patterns, folder, member):
    trees = [("package.json", one) for one in patterns]
    assert is_member(f"{folder}/package.json", trees) is member
    inner = [("web/package.json", one) for one in patterns]
    assert is_member(f"web/{folder}/package.json", inner) is member
    assert is_member(f"other/{folder}/package.json", inner) is False
