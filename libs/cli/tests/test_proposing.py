"""One file or forty: what is offered, and what a person is told about it."""

import json

import pytest

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore.psmp.v1 import common_pb2 as common
from metaqore.psmp.v1 import conflict_pb2 as conflicts
from metaqore_governance_core.errors import ErrorKind

COMMITTED = common.Committed(receipt_id="r-1", receipt_token="token", project_version=7)


def conflict(**fields):
    party = conflicts.Party(artifact="a.py", version=1, by="ann", declares="a.py", artifact_id="artifact_a")
    given = {
        "id": "conflict_" + "1" * 24,
        "type": "path_same",
        "severity": conflicts.SEVERITY_BLOCKING,
        "key": "a.py",
        "clashing": [party],
        "parties": [party],
        "explanation": "ann and bob write a.py.",
        "choices": [conflicts.CHOICE_MERGE, conflicts.CHOICE_KEEP_EXISTING],
        "artifact_id": "artifact_a",
        "version": 1,
    }
    return conflicts.Conflict(**(given | fields))


def proposed(request):
    """Everything is offered; what is named blocked.* is blocked."""
    made, found = [], []
    for number, one in enumerate(request.proposals):
        blocked = one.created.name.startswith("blocked")
        found += [conflict()] if blocked else []
        phase = pb.PHASE_BLOCKED if blocked else pb.PHASE_PROPOSED
        made.append(
            pb.Artifact(
                id=f"artifact_{number}", name=one.created.name, latest=pb.ArtifactVersion(number=1, phase=phase)
            )
        )
    return pb.ProposeArtifactsResponse(committed=COMMITTED, artifacts=made, conflicts=found)


@pytest.fixture
def files(mesh, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mesh.answers["ProposeArtifacts"] = proposed

    def write(texts):
        for name, text in texts.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode() if isinstance(text, str) else text)

    return write


def names(mesh):
    return [one.created.name for one in mesh.request("ProposeArtifacts").proposals]


def test_a_file_is_the_next_version_of_the_artifact_of_its_path(metaqore, mesh, files):
    files({"src/main.py": "print()"})
    done = metaqore("artifact", "propose", "src/main.py", "--description", "Where it begins", "--label", "team=green")
    assert done.code == 0
    [proposal] = mesh.request("ProposeArtifacts").proposals
    made = proposal.created
    assert (made.name, made.content_bytes, list(made.declarations.paths)) == (
        "src/main.py",
        b"print()",
        ["src/main.py"],
    )
    assert made.media_type.startswith("text/")
    assert (made.description, made.labels.labels[0].name) == ("Where it begins", "team")
    assert not proposal.HasField("expected_version")
    assert "metaqore artifact activate src/main.py@1" in done.out
    assert "receipt r-1" in done.err


def test_a_directory_is_every_file_below_it_but_hidden_ones(metaqore, mesh, files):
    files({"src/a.py": "a", "src/b/c.py": "c", "src/.git/config": "x", "src/__pycache__/a.pyc": "x"})
    assert metaqore("artifact", "propose", "src").code == 0
    assert names(mesh) == ["src/a.py", "src/b/c.py"]


def test_a_glob_in_quotes_is_what_it_means(metaqore, mesh, files):
    files({"src/a.py": "a", "src/deep/b.py": "b", "src/notes.md": "n"})
    assert metaqore("artifact", "propose", "src/**/*.py").code == 0
    assert names(mesh) == ["src/a.py", "src/deep/b.py"]


def test_each_file_is_offered_once_however_often_it_is_named(metaqore, mesh, files):
    files({"src/a.py": "a"})
    metaqore("artifact", "propose", "src", "src/a.py")
    assert names(mesh) == ["src/a.py"]


def test_names_are_relative_to_a_root(metaqore, mesh, files, tmp_path):
    files({"src/a.py": "a"})
    metaqore("artifact", "propose", tmp_path / "src", "--root", tmp_path / "src")
    assert names(mesh) == ["a.py"]
    outside = metaqore("artifact", "propose", tmp_path / "src", "--root", tmp_path / "src" / "..", "--name", "x")
    assert outside.code == 0
    refused = metaqore("artifact", "propose", "/etc/hostname")
    assert refused.code == 2
    assert "--root" in refused.err


def test_agents_write_under_names_of_their_own(metaqore, mesh, files):
    files({"src/a.py": "a"})
    metaqore("artifact", "propose", "src", "--prefix", "ann/")
    made = mesh.request("ProposeArtifacts").proposals[0].created
    assert (made.name, list(made.declarations.paths)) == ("ann/src/a.py", ["src/a.py"])
    mesh.asked.clear()
    metaqore("artifact", "propose", "src/a.py", "--name", "the beginning", "--path", "app/a.py", "--path", "b.py")
    made = mesh.request("ProposeArtifacts").proposals[0].created
    assert (made.name, list(made.declarations.paths)) == ("the beginning", ["app/a.py", "b.py"])


@pytest.mark.usefixtures("files")
def test_standard_input_needs_a_name(metaqore, mesh):
    assert "--name" in metaqore("artifact", "propose", "-", stdin="x").err
    metaqore("artifact", "propose", "-", "--name", "schema.sql", stdin="create table x;")
    assert mesh.request("ProposeArtifacts").proposals[0].created.content_bytes == b"create table x;"


def test_a_dry_run_says_so_and_a_blocked_proposal_has_an_exit_code(metaqore, mesh, files):
    files({"blocked.py": "x", "free.py": "y"})
    done = metaqore("artifact", "propose", "blocked.py", "free.py", "--dry-run", "--all-or-nothing")
    request = mesh.request("ProposeArtifacts")
    assert (request.dry_run, request.refuse_blocked, done.code) == (True, True, 4)
    assert "nothing is done" in done.out
    assert "1 blocked by 1 conflict" in done.out
    assert "ann and bob write a.py." in done.out
    assert "conflict resolve" not in done.out
    done = metaqore("artifact", "propose", "blocked.py")
    assert f'metaqore conflict resolve {conflict().id} merge --for a.py@1 --why "…"' in done.out


def test_json_is_one_object_with_the_receipt_first(metaqore, files):
    files({"blocked.py": "x"})
    done = metaqore("artifact", "propose", "blocked.py", "--json")
    told = json.loads(done.out)
    assert list(told)[:4] == ["receipt", "receipt_token", "project_version", "dry_run"]
    assert (told["receipt"], told["project_version"], done.code) == ("r-1", 7, 4)
    assert told["artifacts"][0]["latest"]["phase"] == "blocked"
    assert told["conflicts"][0]["choices"] == ["merge", "keep_existing"]


def test_a_refusal_tells_who_what_and_how(metaqore, mesh, files, refused):
    files({"a.py": "x"})
    ways = [common.WayOut(command="metaqore artifact activate a.py@1 --project garden", who="anybody but ann")]
    mesh.answers["ProposeArtifacts"] = refused("artifact_blocked", conflicts=[conflict()], ways_out=ways, cut=True)
    done = metaqore("artifact", "propose", "a.py", "--all-or-nothing")
    assert done.error.code == "artifact_blocked"
    for told in ("ann and bob write a.py.", ways[0].command, "anybody but ann"):
        assert told in done.out
    assert "receipt r-1" in done.err
    assert "more stands in the way" in done.err


def test_a_refusal_is_json_too(metaqore, mesh, files, refused):
    files({"a.py": "x"})
    mesh.answers["ProposeArtifacts"] = refused("vetoed", kind=ErrorKind.FORBIDDEN, conflicts=[conflict()])
    told = json.loads(metaqore("artifact", "propose", "a.py", "--json").out)
    assert told["error"]["code"] == "vetoed"
    assert (told["receipt"], told["receipt_token"]) == ("r-1", "signed-receipt")
    assert told["conflicts"][0]["key"] == "a.py"


def test_large_bodies_go_before_in_a_stream(metaqore, mesh, files):
    text = bytes(range(256)) * 5000
    files({"large.bin": text})
    mesh.answers["UploadContent"] = pb.UploadContentResponse(body=pb.Body(digest="d1"))
    assert metaqore("artifact", "propose", "large.bin").code == 0
    head, *chunks = mesh.request("UploadContent")
    assert (head.head.size_bytes, len(head.head.sha256)) == (len(text), 32)
    assert b"".join(one.chunk for one in chunks) == text
    assert mesh.request("ProposeArtifacts").proposals[0].created.content_digest == "d1"


def test_forty_files_are_one_call(metaqore, mesh, files):
    files({f"src/f{number}.py": "x" for number in range(40)})
    done = metaqore("artifact", "propose", "src")
    assert len(names(mesh)) == 40
    assert "40 proposed" in done.out
    assert "and 28 more" in done.err


def test_what_it_declares_and_where_it_comes_from(metaqore, mesh, files):
    files({"a.py": "x"})
    mesh.answers["ListArtifacts"] = pb.ListArtifactsResponse(
        artifacts=[pb.Artifact(id="artifact_n", name="notes.md", active_version=3, latest=pb.ArtifactVersion(number=4))]
    )
    options = ["--requires", "python:numpy>=2,<3", "--requires", "npm:@types/node@20", "--requires", "cargo:serde"]
    options += ["--rename", "old.py=a.py", "--semver", "1.2.0", "--environment", "gpu", "--sensitivity", "SENSITIVE"]
    options += ["--agent", "writer", "--model", "m1", "--task", "t1", "--input", "notes.md@2", "--parent", "notes.md"]
    assert metaqore("artifact", "propose", "a.py", *options, "--if-revision", "0").code == 0
    [proposal] = mesh.request("ProposeArtifacts").proposals
    made = proposal.created
    assert [(one.ecosystem, one.name, one.text) for one in made.declarations.dependencies] == [
        ("python", "numpy", "numpy>=2,<3"),
        ("npm", "@types/node", "20"),
        ("cargo", "serde", "*"),
    ]
    assert (made.declarations.renames[0].from_path, made.declarations.environment) == ("old.py", "gpu")
    assert (made.provenance.inputs[0], made.provenance.parents[0]) == ("artifact_n@2", "artifact_n@3")
    assert (proposal.HasField("expected_version"), proposal.expected_version) == (True, 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(["missing.py"], "There is no missing.py", id="no such file"),
        pytest.param(["*.none"], "no file", id="a glob that means nothing"),
        pytest.param(["a.py", "--requires", "numpy"], "python:numpy>=2", id="a requirement without its ecosystem"),
        pytest.param(["a.py", "--requires", "maven:g:a"], "names no version", id="a requirement without its version"),
        pytest.param(["a.py", "--rename", "x"], "old/path=new/path", id="a rename to nowhere"),
        pytest.param(["a.py", "--label", "x"], "name=value", id="a label without value"),
        pytest.param(["a.py", "b.py", "--name", "x"], "one file", id="one name for two"),
        pytest.param([], "Give files", id="nothing"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(metaqore, mesh, files, words, told):
    files({"a.py": "x", "b.py": "y"})
    done = metaqore("artifact", "propose", *words)
    assert done.code == 2
    assert told in " ".join(done.err.replace("│", " ").split())
    assert mesh.requests("ProposeArtifacts") == []


@pytest.mark.usefixtures("files")
def test_a_draft_is_proposed_by_its_name(metaqore, mesh):
    mesh.answers["ListArtifacts"] = pb.ListArtifactsResponse(
        artifacts=[pb.Artifact(id="artifact_n", name="notes.md", latest=pb.ArtifactVersion(number=4))]
    )
    metaqore("artifact", "propose", "--draft", "notes.md")
    [proposal] = mesh.request("ProposeArtifacts").proposals
    assert (proposal.draft.artifact_id, proposal.draft.version) == ("artifact_n", 4)
