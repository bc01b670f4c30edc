import json
from dataclasses import replace

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink, link_conflicts
from metaqore_governance_core.psmp.conflicts.cargo_manifests import cargo_toml
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement
from metaqore_governance_core.psmp.conflicts.model import Party, Severity
from metaqore_governance_core.psmp.conflicts.npm_manifests import package_json, package_lock_peers
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmKind
from metaqore_governance_core.psmp.conflicts.python_manifests import pyproject_toml, requirements_txt
from metaqore_governance_core.psmp.conflicts.python_requirements import python_conflicts

PARTY = Party("manifest", 1, "ann", "")


def test_requirements_txt():
    text = """
    # metaqore: environment = gpu
    -r other.txt
    --index-url https://example.org/simple
    numpy >= 1.5, < 2   # a comment
    torch==2.0+cpu \\
        --hash=sha256:abc --hash=sha256:def
    Foo_Bar[extra]~=1.4; python_version < "3.12"
    pkg @ https://example.org/pkg-1.0-py3-none-any.whl#sha256=abc
    """
    manifest = requirements_txt(PARTY, text)
    assert [one.name for one in manifest.entries] == ["numpy", "torch", "foo-bar", "pkg"]
    assert manifest.entries[0].party.declares == "numpy >= 1.5, < 2"
    assert manifest.environment == "gpu"
    assert manifest.unread == ("-r other.txt", "--index-url https://example.org/simple")


@pytest.mark.parametrize(
    ("text", "read", "unread"),
    [
        pytest.param("a>=1, \\\n<2\n", ["a>=1, <2"], [], id="a line goes on"),
        pytest.param("nu\\\r\nmpy>=1\r\n", ["numpy>=1"], [], id="within a name"),
        pytest.param("# of old: \\\na<2\nb", ["a<2", "b"], [], id="a comment does not go on"),
        pytest.param("a<2 \\\n# why\nb", ["a<2", "b"], [], id="a comment ends what goes on"),
        pytest.param("a<2 \\", ["a<2"], [], id="nothing follows"),
        pytest.param(
            "https://x.org/a-1.0-py3-none-any.whl",
            ["a @ https://x.org/a-1.0-py3-none-any.whl"],
            [],
            id="a wheel's address",
        ),
        pytest.param(
            "git+https://x.org/a.git@v1#egg=a&subdirectory=b ; os_name == 'nt'",
            ["a @ git+https://x.org/a.git@v1#egg=a&subdirectory=b ; os_name == 'nt'"],
            [],
            id="a repository's with the name",
        ),
        pytest.param("git+https://x.org/a.git", [], ["git+https://x.org/a.git"], id="a repository's without"),
        pytest.param("./wheels/a-1.0+cpu-py3-none-any.whl", ["a==1.0+cpu"], [], id="a file"),
        pytest.param("sdists/a-1.0.tar.gz; os_name == 'nt'", ["a==1.0 ; os_name == 'nt'"], [], id="an archive"),
        pytest.param("a-1.0-py3-none-any.whl", ["a==1.0"], [], id="a file in the same folder"),
        pytest.param("./libs/a\n.\n../b[c]", [], ["./libs/a", ".", "../b[c]"], id="folders"),
        pytest.param("a @ ./a-1.0.tar.gz", ["a @ ./a-1.0.tar.gz"], [], id="a name at a place"),
    ],
)
def test_lines_are_those_that_pip_reads(text, read, unread):
    manifest = requirements_txt(PARTY, text)
    assert [one.text for one in manifest.entries] == read
    assert list(manifest.unread) == unread


def test_pyproject_toml():
    text = """
    [project]
    requires-python = ">=3.11"
    dependencies = ["numpy<2", "old==1; python_version < '3.9'"]
    [project.optional-dependencies]
    Fast = ["numpy>=1.5"]
    [dependency-groups]
    base = ["pytest>=9"]
    dev = [{include-group = "base"}, "ruff"]
    [tool.metaqore]
    environment = "service"
    """
    manifest = pyproject_toml(PARTY, text)
    scopes = {(one.name, one.scope) for one in manifest.entries}
    assert scopes == {
        ("numpy", ""),
        ("old", ""),
        ("numpy", "extra fast"),
        ("pytest", "group base"),
        ("pytest", "group dev"),
        ("ruff", "group dev"),
        ("python", ""),
    }
    assert manifest.environment == "service"
    assert next(one for one in manifest.entries if one.name == "old").region == ()


def test_projects_that_no_python_runs_together_clash():
    def python(spec):
        return pyproject_toml(PARTY, f'[project]\nrequires-python = "{spec}"').entries

    (found,) = python_conflicts("python:python", [*python("<3.10"), *python(">=3.11")])
    assert found.blocks


def test_extras_clash_with_what_is_always_there_and_only_warn_among_themselves():
    text = '[project]\ndependencies = ["n>=1"]\n[project.optional-dependencies]\na = ["n<2"]\nb = ["n>=2"]\n'
    (found,) = python_conflicts("python:n", pyproject_toml(PARTY, text).entries)
    assert found.severity is Severity.WARNING
    (found,) = python_conflicts("python:n", pyproject_toml(PARTY, text.replace("n>=1", "n>=3")).entries)
    assert found.severity is Severity.BLOCKING


def test_groups_of_two_projects_only_warn_whatever_they_are_called():
    def group(name, text):
        (read,) = pyproject_toml(PARTY, f'[dependency-groups]\ndev = ["n{text}"]').entries
        return replace(read, party=Party(name, 1, "ann", text))

    (found,) = python_conflicts("python:n", [group("one", "<2"), group("other", ">=2")])
    assert found.severity is Severity.WARNING
    (found,) = python_conflicts("python:n", [group("one", "<2"), group("one", ">=2")])
    assert found.severity is Severity.BLOCKING


def test_package_json():
    document = {
        "dependencies": {"react": "^18"},
        "peerDependencies": {"vue": "^3", "sass": "*"},
        "peerDependenciesMeta": {"sass": {"optional": True}},
        "overrides": {
            "@scope/foo@^1": "1.0.0",
            "react": "$react",
            "bar": {".": "2", "foo": "3", "react": "$react", "old@1": "2", "deep": {"er": "1"}},
            "baz": "",
            "qux@1": {"foo": "3"},
        },
        "metaqore": {"environment": "web"},
    }
    manifest = package_json(PARTY, json.dumps(document), "web/package.json")
    assert {(one.name, one.kind, one.text, one.selector) for one in manifest.entries if not one.via} == {
        ("react", NpmKind.DEPENDENCY, "^18", ""),
        ("vue", NpmKind.PEER, "^3", ""),
        ("sass", NpmKind.OPTIONAL_PEER, "*", ""),
        ("@scope/foo", NpmKind.OVERRIDE, "1.0.0", "^1"),
        ("react", NpmKind.OVERRIDE, "^18", ""),
        ("bar", NpmKind.OVERRIDE, "2", ""),
        ("baz", NpmKind.OVERRIDE, "*", ""),
    }
    assert [(one.via, one.name, one.text) for one in manifest.entries if one.via] == [
        ("bar", "foo", "3"),
        ("bar", "react", "^18"),
        ("bar", "old", "2"),
    ]
    assert not any(one.root for one in manifest.entries)
    assert manifest.environment == "web"
    assert manifest.unread == ("overrides below bar", "overrides below qux@1")


def test_a_lock_file_tells_the_peers_at_the_top():
    document = {
        "packages": {
            "": {"peerDependencies": {"own": "1"}},
            "node_modules/plugin": {"peerDependencies": {"react": "^17"}},
            "node_modules/a/node_modules/plugin": {"peerDependencies": {"react": "^16"}},
        }
    }
    (entry,) = package_lock_peers(PARTY, json.dumps(document)).entries
    assert (entry.name, entry.text, entry.via) == ("react", "^17", "plugin")


@pytest.mark.parametrize(
    ("read", "text", "code"),
    [
        pytest.param(requirements_txt, "numpy >=", "requirement_invalid", id="half a requirement"),
        pytest.param(requirements_txt, "numpy; python_version ~ '3'", "requirement_invalid", id="no marker"),
        pytest.param(pyproject_toml, "[project", "manifest_invalid", id="no TOML"),
        pytest.param(pyproject_toml, "[project]\ndependencies = 'numpy'", "manifest_invalid", id="no list"),
        pytest.param(pyproject_toml, "[project]\nrequires-python = 'x'", "requirement_invalid", id="no specifier"),
        pytest.param(
            pyproject_toml,
            "[dependency-groups]\na = [{include-group = 'a'}]",
            "manifest_invalid",
            id="a circle of groups",
        ),
        pytest.param(cargo_toml, "[dependencies]\nfoo = '1..2'", "requirement_invalid", id="no version of Cargo"),
        pytest.param(package_json, "{", "manifest_invalid", id="no JSON"),
        pytest.param(package_json, "[]", "manifest_invalid", id="no object"),
    ],
)
def test_what_cannot_be_read_is_refused(read, text, code):
    with pytest.raises(MetaQoreError) as error:
        read(PARTY, text)
    assert error.value.code == code


CARGO = """
[package]
name = "mine"
links = "ssl"
[package.metadata.metaqore]
environment = "native"
[dependencies]
serde = "1.0"
renamed = { package = "foo", version = "=1.2.3" }
local = { path = "../local" }
inherited = { workspace = true }
[target.'cfg(windows)'.dependencies]
winapi = { version = "0.3" }
[workspace.dependencies]
inherited = { version = "2" }
"""


def test_cargo_toml():
    manifest = cargo_toml(PARTY, CARGO)
    asked = [(one.name, one.text) for one in manifest.entries if isinstance(one, CargoRequirement)]
    assert asked == [("inherited", "2"), ("foo", "=1.2.3"), ("serde", "1.0"), ("winapi", "0.3")]
    assert [(one.crate, one.library) for one in manifest.entries if isinstance(one, CargoLink)] == [("mine", "ssl")]
    assert manifest.environment == "native"
    assert manifest.unread == ("dependencies local",)


@pytest.mark.parametrize(
    "inherited", ["5", "[]", "{ path = '../foo', version = '1' }", "{ git = 'https://example.org' }"]
)
def test_what_cargo_inherits_from_elsewhere_is_not_read(inherited):
    text = f"[workspace.dependencies]\nfoo = {inherited}\n[dependencies]\nfoo.workspace = true"
    assert cargo_toml(PARTY, text).unread == ("dependencies foo",)


def test_two_crates_do_not_link_one_library():
    links = [CargoLink(Party(name, 1, f"agent-{name}", ""), "ssl", name) for name in ("a", "b")]
    (found,) = link_conflicts("cargo_links:ssl", links)
    assert found.blocks
    assert {party.by for party in found.clashing} == {"agent-a", "agent-b"}
    assert link_conflicts("cargo_links:ssl", links[:1]) == []


def test_markers_with_too_many_cases_are_refused():
    marker = " and ".join(
        f"(sys_platform == 'a{n}' or platform_machine == 'b{n}' or os_name == 'c{n}')" for n in range(9)
    )
    with pytest.raises(MetaQoreError) as error:
        requirements_txt(PARTY, f"numpy; {marker.replace('==', '!=')}")
    assert error.value.code == "marker_too_complex"
