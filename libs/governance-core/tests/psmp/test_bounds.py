import json

import pytest

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Artifact, Body, Content, Dependency, Phase, Version
from metaqore_governance_core.psmp.conflicts.bounds import check_content
from metaqore_governance_core.psmp.conflicts.cargo_manifests import cargo_toml
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement, cargo_conflicts
from metaqore_governance_core.psmp.conflicts.effort import bounded_effort
from metaqore_governance_core.psmp.conflicts.go_manifests import go_mod
from metaqore_governance_core.psmp.conflicts.judge import conflicts_of
from metaqore_governance_core.psmp.conflicts.maven_manifests import pom_xml
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_manifests import package_json, package_lock_peers
from metaqore_governance_core.psmp.conflicts.python_locks import python_lock
from metaqore_governance_core.psmp.conflicts.python_manifests import pyproject_toml, requirements_txt
from metaqore_governance_core.psmp.declared import declaration_of, dependencies_of

ANN = Party("one", 1, "ann", "")
MANY_VALUES = " ".join(f"{i}.{j}" for i in range(10) for j in range(56))


def content(dependencies=(), paths=()):
    return Content(Body("digest", "key", "text/plain", 1), paths=tuple(paths), dependencies=tuple(dependencies))


def python(*texts, **more):
    return [Dependency("python", "q", text, **more) for text in texts]


def judged(declared):
    """Checked and judged as a proposal is."""
    check_content(declared)
    version = Version(1, declared, Phase.DRAFT, 0, "ann")
    return conflicts_of(declaration_of(Artifact("o", "p", "a"), version, 1), {})


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        pytest.param(
            content(python(f'a; python_version in "{MANY_VALUES}"')), "requirement_too_complex", id="values of a marker"
        ),
        pytest.param(
            content(python("a", marker=f'python_version in "{MANY_VALUES[:900]}"')),
            "requirement_too_complex",
            id="values of an environment's marker",
        ),
        pytest.param(
            content(python("a0" + ",".join(f"!={i}.1" for i in range(65)))), "requirement_too_complex", id="clauses"
        ),
        pytest.param(
            content([Dependency("npm", "a", "||".join(map(str, range(65))))]),
            "requirement_too_complex",
            id="alternatives",
        ),
        pytest.param(content([Dependency("npm", "a", "1" * 5000)]), "requirement_too_complex", id="digits"),
        pytest.param(
            content(python(f"a; {'(' * 400}os_name=='a'{')' * 400}")), "requirement_too_complex", id="parentheses"
        ),
        pytest.param(content(python(*(f"q!={i}.1" for i in range(201)))), "requirement_too_complex", id="one package"),
        pytest.param(
            content(Dependency("npm", f"a{i}", "1") for i in range(2001)), "requirement_too_complex", id="dependencies"
        ),
        pytest.param(content([Dependency("npm", "x\ud800", "1")]), "requirement_invalid", id="half a character"),
        pytest.param(content(paths=["a/" * 500 + "b"]), "paths_too_deep", id="folders of one path"),
        pytest.param(
            content(paths=["a/" * 60 + str(i) for i in range(200)]), "paths_too_deep", id="folders of all paths"
        ),
        pytest.param(content(paths=[f"p{i}" for i in range(2001)]), "paths_too_deep", id="paths"),
        pytest.param(content(paths=["a" + "\u0301\u0316" * 15 + "\u0301"]), "path_invalid", id="marks upon one letter"),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_parsed(declared, code):
    with pytest.raises(MetaQoreError) as refused, bounded_effort(10_000):
        check_content(declared)
    assert (refused.value.code, refused.value.kind) == (code, ErrorKind.UNPROCESSABLE)
    assert "declarations" in refused.value.message


@pytest.mark.parametrize(
    ("read", "text", "code"),
    [
        pytest.param(package_json, '{"a":' * 3000 + "1" + "}" * 3000, "manifest_invalid", id="deep JSON"),
        pytest.param(pyproject_toml, "a=" + "[" * 3000, "manifest_invalid", id="deep arrays"),
        pytest.param(cargo_toml, "a=" + "{a=" * 3000 + "1" + "}" * 3000, "manifest_invalid", id="deep tables"),
        pytest.param(cargo_toml, "a = ['''x'''', " + "[" * 3000, "manifest_invalid", id="depth behind a text"),
        pytest.param(cargo_toml, ".".join("a" * 3000) + "=1", "manifest_invalid", id="deep key"),
        pytest.param(cargo_toml, "a=" + "1" * 5000, "manifest_invalid", id="digits of TOML"),
        pytest.param(package_json, '{"dependencies":{"x\\ud800":"1"}}', "manifest_invalid", id="half a character"),
        pytest.param(
            package_json, json.dumps({"dependencies": {"a": "1" * 5000}}), "requirement_too_complex", id="digits"
        ),
        pytest.param(
            package_json,
            json.dumps({"dependencies": {"a": "||".join(map(str, range(3000)))}}),
            "requirement_too_complex",
            id="alternatives",
        ),
        pytest.param(
            requirements_txt, f'a; python_version in "{MANY_VALUES}"', "requirement_too_complex", id="marker of a line"
        ),
        pytest.param(requirements_txt, "a\n" * 600_000, "manifest_invalid", id="size"),
        pytest.param(
            requirements_txt, "\n".join(f"a{i}==1" for i in range(60_000)), "requirements_too_complex", id="lines"
        ),
        pytest.param(
            pyproject_toml,
            "[dependency-groups]\n"
            + "".join(f"g{i}=[{{include-group='g{i + 1}'}},{{include-group='g{i + 1}'}}]\n" for i in range(50))
            + "g50=['a']",
            "requirements_too_complex",
            id="groups that double",
        ),
    ],
)
def test_a_manifest_out_of_bounds_is_refused(read, text, code):
    with pytest.raises(MetaQoreError) as refused, bounded_effort():
        read(ANN, text)
    assert (refused.value.code, refused.value.kind) == (code, ErrorKind.UNPROCESSABLE)


def test_a_whole_character_of_two_halves_is_read():
    assert package_json(ANN, '{"dependencies":{"x\\ud83d\\ude00":"1"}}').entries[0].name == "x\U0001f600"


def test_the_blanks_of_a_line_are_read_once():
    assert requirements_txt(ANN, "a" + " " * 500_000 + "--hash=sha256:b").entries[0].name == "a"


def test_a_requirement_over_a_million_majors_takes_few_steps():
    wide = [CargoRequirement(Party(f"c{at}", 1, "ann", ""), "a", f">={at}, <1000000") for at in range(1, 4)]
    narrow = [CargoRequirement(Party("d", 1, "ann", ""), "a", text) for text in ("=1.2.3", "=1.2.4")]
    with bounded_effort(1_000):
        assert cargo_conflicts("cargo:a", wide) == []
        assert cargo_conflicts("cargo:a", [wide[0], *narrow])[0].clashing


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(content(python(*(f"q!={i}.{j}" for i in range(10) for j in range(20)))), id="one package"),
        pytest.param(content(paths=["a/" * 4 + str(i) for i in range(2000)]), id="paths"),
        pytest.param(content(paths=[("a" + "\u0301\u0316" * 15) * 30]), id="marks"),
        pytest.param(
            content(Dependency("python", f"a{i}", f"a{i}=={i}.0") for i in range(2000)), id="as many as a lock file"
        ),
        pytest.param(content([Dependency("cargo", "a", ">=1, <1000000")]), id="majors"),
    ],
)
def test_what_is_within_the_bounds_is_judged(declared):
    assert judged(declared) == ()


def of_a_lock(at):
    files = "".join(
        f'    {{file = "package_{at}-cp3{minor}.whl", hash = "sha256:{"a" * 64}"}},\n' for minor in range(9)
    )
    return (
        f'[[package]]\nname = "package-{at}"\nversion = "1.{at}.0"\noptional = false\nfiles = [\n{files}]\n'
        f'\n[package.dependencies]\npackage-{at + 1} = ">=1.0,<2.0"\n\n'
    )


@pytest.mark.parametrize(
    ("read", "text", "entries"),
    [
        pytest.param(
            lambda party, text: python_lock(party, text, "poetry.lock"),
            "".join(map(of_a_lock, range(700))),
            700,
            id="poetry.lock",
        ),
        pytest.param(
            package_lock_peers,
            json.dumps(
                {
                    "packages": {
                        f"node_modules/p{at}": {
                            "version": f"1.{at}.0",
                            "resolved": f"https://registry.example/p{at}/-/p{at}-1.{at}.0.tgz",
                            "integrity": f"sha512-{'a' * 86}==",
                            "engines": {"node": ">=18"},
                            "peerDependencies": {"react": "^18"} if at % 20 == 0 else {},
                        }
                        for at in range(3000)
                    }
                }
            ),
            150,
            id="package-lock.json",
        ),
        pytest.param(
            requirements_txt,
            "\n".join(f"package-{at}==1.{at}.0 \\\n    --hash=sha256:{'a' * 64}" for at in range(1500)),
            1500,
            id="compiled requirements",
        ),
        pytest.param(
            requirements_txt,
            "\n".join(f"package-{at}>=1.{at},<2.{at}; python_version >= '3.9'" for at in range(500)),
            500,
            id="requirements.txt",
        ),
        pytest.param(
            package_json, json.dumps({"dependencies": {f"p{at}": f"^1.{at}.0" for at in range(500)}}), 500, id="npm"
        ),
        pytest.param(
            cargo_toml,
            "[dependencies]\n" + "\n".join(f'p{at} = {{ version = "1.{at}", features = ["a"] }}' for at in range(500)),
            500,
            id="Cargo.toml",
        ),
        pytest.param(
            lambda party, text: go_mod(party, text, "go.mod"),
            "module m\nrequire (\n"
            + "\n".join(f"example.com/p{at} v1.{at}.0 // indirect" for at in range(1500))
            + "\n)",
            1500,
            id="go.mod",
        ),
        pytest.param(
            pom_xml,
            "<project><dependencies>"
            + "".join(
                f"<dependency><groupId>g</groupId><artifactId>p{at}</artifactId><version>1.{at}</version></dependency>"
                for at in range(500)
            )
            + "</dependencies></project>",
            500,
            id="pom.xml",
        ),
    ],
)
def test_the_manifest_of_a_large_project_is_read_and_judged(read, text, entries):
    with bounded_effort():
        manifest = read(ANN, text)
    assert len(manifest.entries) == entries
    assert judged(content(dependencies_of(manifest))) == ()


def test_a_hundred_clashes_at_once_are_told():
    def needs(artifact, bound):
        declared = content(Dependency("python", f"p{at}", f"p{at}{bound}") for at in range(100))
        version = Version(1, declared, Phase.DRAFT, 0, "ann")
        return declaration_of(Artifact("o", "p", artifact), version, 1)

    rows = {}
    for other in range(16):
        for key, entry in needs(f"other-{other}", f">={other % 9 + 1}").stored():
            rows.setdefault(key, []).append(entry)
    assert len(conflicts_of(needs("own", "==0.0.1"), rows)) == 100


def test_a_lock_file_without_its_files_pins_the_same():
    (entry,) = python_lock(ANN, of_a_lock(1), "poetry.lock").entries
    assert entry.text == "package-1==1.1.0"
    in_one_line = '[[package]]\nname = "a"\nversion = "1"\nfiles = [{file = "a"}]\n'
    assert python_lock(ANN, in_one_line, "poetry.lock").entries[0].text == "a==1"
    odd = 'files = [\n  {name = "a", version = "1"},\n]\npackage = [\n  {name = "b", version = "2"},\n]\n'
    assert [one.text for one in python_lock(ANN, odd, "poetry.lock").entries] == ["b==2"]


def test_what_grows_together_is_refused_by_its_steps():
    texts = ["q" + ",".join(f"!={i}.{j}" for i in range(60)) for j in range(78)]
    with pytest.raises(MetaQoreError) as refused:
        judged(content(python(*texts)))
    assert refused.value.code == "requirements_too_complex"
