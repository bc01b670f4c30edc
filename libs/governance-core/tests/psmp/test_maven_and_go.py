"""Maven and Go: what their manifests say, what clashes, and what the tools would resolve, which only warns."""

import pytest

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Artifact, Body, Content, Dependency, Phase, Version
from metaqore_governance_core.psmp.conflicts.declaration import KeyKind
from metaqore_governance_core.psmp.conflicts.go_manifests import go_mod, go_work
from metaqore_governance_core.psmp.conflicts.go_requirements import GoKind, GoRequirement, go_conflicts
from metaqore_governance_core.psmp.conflicts.go_versions import go_version, module_version
from metaqore_governance_core.psmp.conflicts.judge import conflicts_of
from metaqore_governance_core.psmp.conflicts.maven_manifests import pom_xml
from metaqore_governance_core.psmp.conflicts.maven_requirements import MavenRequirement, maven_conflicts, maven_range
from metaqore_governance_core.psmp.conflicts.maven_versions import maven_version
from metaqore_governance_core.psmp.conflicts.model import Choice, ConflictType, Party, Severity
from metaqore_governance_core.psmp.declared import declaration_of, dependencies_of

ANN = Party("one", 1, "ann", "")
FOO = "example.com/foo"


def party(name):
    return Party(name, 1, f"agent-{name}", name)


class TestMaven:
    def judged(self, *texts):
        asked = [MavenRequirement(party(f"m{at}"), "group:foo", text) for at, text in enumerate(texts)]
        return maven_conflicts("maven:group:foo", asked)

    def test_ranges_that_exclude_each_other_block_and_are_named(self):
        (found,) = self.judged("[1,4)", "[1,2)", "[2,3)", "1.5")
        assert (found.type, found.severity, found.suggestion) == (
            ConflictType.MAVEN_RANGES,
            Severity.BLOCKING,
            Choice.MANUAL,
        )
        assert [one.artifact for one in found.clashing] == ["m1", "m2"]
        assert len(found.parties) == 4
        assert "agent-m1" in found.explanation

    @pytest.mark.parametrize(
        "texts",
        [
            pytest.param(("1.0", "1.1"), id="two versions, of which the nearest wins"),
            pytest.param(("1.0", "[1.1,2)"), id="a version that a range overrules"),
        ],
    )
    def test_what_maven_would_resolve_is_told(self, texts):
        (found,) = self.judged(*texts)
        assert (found.type, found.severity) == (ConflictType.MAVEN_NEAREST, Severity.WARNING)

    @pytest.mark.parametrize(
        "texts",
        [
            pytest.param(("1.0", "1.0.0"), id="one version, spelled twice"),
            pytest.param(("1.5", "[1,2)", "[1.5]"), id="a version in all ranges"),
            pytest.param(("LATEST", "1.0"), id="whatever is newest"),
        ],
    )
    def test_what_suits_everybody_is_silent(self, texts):
        assert self.judged(*texts) == []

    @pytest.mark.parametrize("text", ["", "1.0,2.0", "[2,1]", "(1.0)", "[1,2,3]", "[1", "[1)2", "[1]2", "1 0"])
    def test_what_maven_cannot_read_is_refused(self, text):
        with pytest.raises(MetaQoreError) as error:
            maven_range(text)
        assert error.value.code == "requirement_invalid"

    @pytest.mark.parametrize("text", ["1.0", "1-ga", "1.0.0-final", "1-0"])
    def test_spellings_of_one_version_are_equal(self, text):
        assert maven_version(text) == maven_version("1")

    def test_a_pom_passes_on_what_its_users_get(self):
        manifest = pom_xml(
            ANN,
            """<?xml version="1.0"?>
            <project xmlns="http://maven.apache.org/POM/4.0.0">
              <parent><groupId>acme</groupId><artifactId>top</artifactId><version>7</version></parent>
              <artifactId>one</artifactId>
              <properties><guava.version>[31,33)</guava.version><metaqore.environment>jvm</metaqore.environment></properties>
              <dependencyManagement><dependencies>
                <dependency><groupId>g</groupId><artifactId>managed</artifactId><version>[1.2]</version></dependency>
              </dependencies></dependencyManagement>
              <dependencies>
                <dependency><groupId>com.google</groupId><artifactId>guava</artifactId>
                  <version>${guava.version}</version></dependency>
                <dependency><groupId>${project.groupId}</groupId><artifactId>two</artifactId>
                  <version>${project.version}</version><type>zip</type><classifier>dist</classifier></dependency>
                <dependency><groupId>g</groupId><artifactId>managed</artifactId></dependency>
                <dependency><groupId>g</groupId><artifactId>junit</artifactId><version>4</version>
                  <scope>test</scope></dependency>
                <dependency><groupId>g</groupId><artifactId>maybe</artifactId><version>4</version>
                  <optional>true</optional></dependency>
                <dependency><groupId>g</groupId><artifactId>of-parent</artifactId></dependency>
              </dependencies>
            </project>""",
        )
        assert [(one.name, one.text) for one in manifest.entries] == [
            ("com.google:guava", "[31,33)"),
            ("acme:two:zip:dist", "7"),
            ("g:managed", "[1.2]"),
        ]
        assert (manifest.environment, manifest.unread) == ("jvm", ("dependency g:of-parent",))

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("<project>", id="no end"),
            pytest.param("<html/>", id="something else"),
            pytest.param('<!DOCTYPE project [<!ENTITY a "aaaa">]><project/>', id="a document type"),
        ],
    )
    def test_a_file_that_is_no_pom_is_refused(self, text):
        with pytest.raises(MetaQoreError) as error:
            pom_xml(ANN, text)
        assert error.value.code == "manifest_invalid"

    def test_properties_that_name_each_other_end(self):
        grown = "".join(f"<p{at}>{f'${{p{at + 1}}}' * 8}</p{at}>" for at in range(30))
        text = f"<project><properties>{grown}<a>${{a}}</a></properties><dependencies>"
        for name, version in (("x", "${p0}"), ("y", "${a}")):
            named = f"<groupId>g</groupId><artifactId>{name}</artifactId>"
            text += f"<dependency>{named}<version>{version}</version></dependency>"
        assert len(pom_xml(ANN, f"{text}</dependencies></project>").unread) == 2


class TestGo:
    def judged(self, *said):
        asked = [GoRequirement(party(f"m{at}"), FOO, *one) for at, one in enumerate(said)]
        return go_conflicts(f"go:{FOO}", asked)

    @pytest.mark.parametrize(
        ("said", "type_", "clashing"),
        [
            pytest.param(
                [("", GoKind.REPLACE, "a v1.0.0"), ("", GoKind.REPLACE, "b v1.0.0"), ("v1.0.0",)],
                ConflictType.GO_REPLACED,
                ["m0", "m1"],
                id="replaced in two ways",
            ),
            pytest.param(
                [("v1.0.0",), ("", GoKind.REPLACE, "a v1.0.0"), ("v1.0.0", GoKind.REPLACE, "b v1.0.0")],
                ConflictType.GO_REPLACED,
                ["m0", "m1", "m2"],
                id="replaced for all, and otherwise for a version that is needed",
            ),
            pytest.param(
                [("v1.0.0",), ("v1.0.0", GoKind.EXCLUDE)],
                ConflictType.GO_EXCLUDED,
                ["m0", "m1"],
                id="all that is required is excluded",
            ),
            pytest.param(
                [("1.23", GoKind.GO), ("1.22.5", GoKind.WORK_GO), ("1.21", GoKind.GO)],
                ConflictType.GO_TOOLCHAIN,
                ["m0", "m1"],
                id="a newer Go than the workspace's",
            ),
        ],
    )
    def test_what_go_refuses_blocks(self, said, type_, clashing):
        (found,) = self.judged(*said)
        assert (found.type, found.severity) == (type_, Severity.BLOCKING)
        assert [one.artifact for one in found.clashing] == clashing
        assert "agent-m" in found.explanation

    @pytest.mark.parametrize(
        ("said", "type_"),
        [
            pytest.param([("v1.2.0",), ("v1.10.0",)], ConflictType.GO_MINIMUM, id="the larger minimum"),
            pytest.param(
                [("v1.2.0",), ("v1.2.0", GoKind.EXCLUDE), ("v1.1.0",)], ConflictType.GO_EXCLUDED, id="passed over"
            ),
        ],
    )
    def test_what_go_would_resolve_is_told(self, said, type_):
        (found,) = self.judged(*said)
        assert (found.type, found.severity) == (type_, Severity.WARNING)

    @pytest.mark.parametrize(
        "said",
        [
            pytest.param([("v1.2.0",), ("v1.2.0",)], id="the same version"),
            pytest.param([("", GoKind.REPLACE, "a v1.0.0"), ("", GoKind.REPLACE, "a v1.0.0")], id="the same place"),
            pytest.param([("v1.2.0",), ("v1.3.0", GoKind.EXCLUDE)], id="excluding what nobody requires"),
            pytest.param(
                [
                    ("", GoKind.REPLACE, "a v1.0.0"),
                    ("", GoKind.REPLACE, "b v1.0.0"),
                    ("", GoKind.WORK_REPLACE, "b v1.0.0"),
                ],
                id="the workspace says what counts",
            ),
            pytest.param([("1.21", GoKind.GO), ("1.23.4", GoKind.GO)], id="modules of different age"),
            pytest.param([("1.20.3", GoKind.GO), ("1.20", GoKind.WORK_GO)], id="before Go was strict"),
        ],
    )
    def test_what_go_takes_is_silent(self, said):
        assert self.judged(*said) == []

    def test_a_go_mod_is_read(self):
        manifest = go_mod(
            ANN,
            """// metaqore: environment = tools
            module example.com/one // the module

            go 1.22.1
            toolchain go1.23.0
            require (
                example.com/foo v1.2.3 // indirect
                "example.com/bar/v2" v2.0.0-rc.1
            )
            exclude example.com/foo v1.2.4
            replace (
                example.com/foo => ../foo
                example.com/bar/v2 v2.0.0-rc.1 => example.com/fork/v2 v2.0.1
            )
            retract v1.0.0
            unheard of
            """,
            "services/one/go.mod",
        )
        assert [(one.name, one.text, one.kind.value, one.target) for one in manifest.entries] == [
            ("go", "1.22.1", "go", ""),
            ("example.com/foo", "v1.2.3", "require", ""),
            ("example.com/bar/v2", "v2.0.0-rc.1", "require", ""),
            ("example.com/foo", "v1.2.4", "exclude", ""),
            ("example.com/foo", "", "replace", "folder services/foo"),
            ("example.com/bar/v2", "v2.0.0-rc.1", "replace", "example.com/fork/v2 v2.0.1"),
        ]
        assert (manifest.environment, manifest.unread) == ("tools", ("unheard of",))

    @pytest.mark.parametrize(
        ("module", "version", "taken"),
        [
            ("foo.com/a", "v0.1.0", True),
            ("foo.com/a", "v2.0.0", False),
            ("foo.com/a", "v2.0.0+incompatible", True),
            ("foo.com/a", "v2.0.0-20200101000000-abcdefabcdef", False),
            ("foo.com/a/v2", "v2.0.0", True),
            ("foo.com/a/v2", "v1.0.0", False),
            ("foo.com/a/v2", "v0.0.0-20200101000000-abcdefabcdef", False),
            ("foo.com/a/v10", "v10.0.0", True),
            ("foo.com/a.v2", "v2.0.0", False),
            ("gopkg.in/a.v2", "v2.0.0", True),
            ("gopkg.in/a.v2", "v1.0.0", False),
            ("gopkg.in/a.v2-unstable", "v2.0.0", True),
            ("gopkg.in/a.v1", "v0.1.0", False),
            ("gopkg.in/a.v1", "v0.0.0-20200101000000-abcdefabcdef", True),
        ],
    )
    @pytest.mark.parametrize(("verb", "rest"), [("require", ""), ("exclude", ""), ("replace", "=> ./here")])
    def test_the_path_of_a_module_names_its_major_as_go_1_27_has_it(self, verb, rest, module, version, taken):
        text = f"module example.com/one\n{verb} {module} {version} {rest}//why"
        if taken:
            (entry,) = go_mod(ANN, text).entries
            assert (entry.name, entry.text) == (module, version)
            return
        with pytest.raises(MetaQoreError) as error:
            go_mod(ANN, text)
        assert error.value.code == "requirement_invalid"

    def test_a_go_work_is_read(self):
        manifest = go_work(ANN, "go 1.22\nuse (\n./a\n./b\n)\nreplace example.com/foo => ./foo\n", "src/go.work")
        assert [(one.name, one.text, one.kind.value, one.target) for one in manifest.entries] == [
            ("go", "1.22", "work_go", ""),
            ("example.com/foo", "", "work_replace", "folder src/foo"),
        ]

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            pytest.param("require (\nexample.com/foo v1.0.0\n", "manifest_invalid", id="a block without end"),
            pytest.param('require "example.com/foo v1.0.0', "manifest_invalid", id="a quote without end"),
            pytest.param("require example.com/foo", "manifest_invalid", id="no version"),
            pytest.param("require example.com/foo 1.0.0", "requirement_invalid", id="a version of something else"),
            pytest.param("go latest", "requirement_invalid", id="no version of Go"),
            pytest.param("replace a => b", "manifest_invalid", id="a module without its version"),
            pytest.param("replace a => ./b v1.0.0", "manifest_invalid", id="a folder with a version"),
        ],
    )
    def test_what_go_cannot_read_is_refused(self, text, code):
        with pytest.raises(MetaQoreError) as error:
            go_mod(ANN, text)
        assert error.value.code == code

    def test_versions_stand_in_their_order(self):
        before = ["v0.9.9", "v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-alpha.beta", "v1.0.0-rc.2", "v1.0.0-rc.10"]
        assert sorted(["v1.0.0", *before[::-1]], key=module_version) == [*before, "v1.0.0"]
        of_go = ["1.19.2", "1.20rc1", "1.20", "1.20.1", "1.21", "1.21rc1", "1.21.0", "1.21.10", "1.22"]
        assert sorted(of_go, key=go_version) == of_go
        assert go_version("1.20") == go_version("1.20.0")


@pytest.mark.parametrize(
    ("manifest", "kind"),
    [
        pytest.param(
            pom_xml(
                ANN,
                "<project><dependencies><dependency><groupId>g</groupId><artifactId>foo</artifactId>"
                "<version>[1,2)</version></dependency></dependencies></project>",
            ),
            KeyKind.MAVEN,
            id="maven",
        ),
        pytest.param(
            go_mod(ANN, f"go 1.22\nrequire {FOO} v1.0.0\nexclude {FOO} v1.1.0\nreplace {FOO} => ./foo"),
            KeyKind.GO,
            id="go",
        ),
    ],
)
def test_what_a_manifest_says_is_declared_and_judged(manifest, kind):
    declarations = [declared(name, dependencies_of(manifest)) for name in ("one", "two")]
    assert {key.kind for key, _ in declarations[0].stored()} == {kind}
    shared = {}
    for key, entry in declarations[1].stored():
        shared.setdefault(key, []).append(entry)
    assert conflicts_of(declarations[0], shared) == ()


def declared(name, dependencies):
    content = Content(Body("d" * 64, "k", "text/plain", 1), dependencies=dependencies)
    version = Version(1, content, Phase.DRAFT, 0, "ann")
    return declaration_of(Artifact("acme", "garden", name, versions=(version,)), version, 0)


@pytest.mark.parametrize(
    "dependency",
    [
        pytest.param(Dependency("maven", "g:a", "[2,1]"), id="a range that ends before it begins"),
        pytest.param(Dependency("go", FOO, "1.0"), id="no version of a module"),
        pytest.param(Dependency("go", FOO, "v1.0.0", kind="wish"), id="no directive"),
        pytest.param(Dependency("go", FOO, "*", kind="replace"), id="a replacement by nothing"),
        pytest.param(Dependency("go", FOO, "v1.0.0", selector="./x"), id="a requirement with a replacement"),
    ],
)
def test_a_dependency_that_cannot_be_is_refused(dependency):
    with pytest.raises(MetaQoreError) as error:
        declared("one", (dependency,))
    assert error.value.code == "requirement_invalid"
