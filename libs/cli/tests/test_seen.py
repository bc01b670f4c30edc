"""A log that loses what it had: every part of it still verifies, and only who saw it before can tell."""

import json
import stat
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from metaqore_cli import audit_commands
from metaqore_cli.connection import Connection
from metaqore_cli.main import app
from metaqore_cli.seen import SeenLogs
from metaqore_governance_core.checkpoints import Checkpoint, sign_checkpoint
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.merkle import consistency_path, leaf_hash, root
from metaqore_governance_core.notes import Verifier, vkey
from metaqore_mesh.keys import make_log_key
from metaqore_mesh.run_directory import RunDirectory
from task_records import decision, outcome, raw


def tasks(*names):
    """The records of these tasks, in canonical form."""
    records = []
    for place, name in enumerate(names):
        decided = decision(name, 2 * place + 1)
        records += [raw(decided), raw(outcome(name, 2 * place + 2, decided))]
    return records


class Mesh:
    """A mesh whose log can be changed behind its key's back: what it then says is signed all the same."""

    def __init__(self, key, mesh):
        self.key, self.mesh, self.organization, self.records_ = key, mesh, "org_1", []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @property
    def leaves(self):
        return [leaf_hash(record) for record in self.records_]

    def checkpoint(self):
        if not self.records_:
            raise MetaQoreError("no_checkpoint", "There is none.")
        return sign_checkpoint(
            Checkpoint(f"{self.mesh}/{self.organization}", len(self.records_), root(self.leaves)), self.key
        )

    def records(self, request):
        return [SimpleNamespace(record=record) for record in self.records_[: request.limit]]

    def consistency_path(self, old_size, new_size):
        return consistency_path(self.leaves[:new_size], old_size)

    def verify_log(self):
        return []


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("METAQORE_RUN_DIR", str(tmp_path / "run"))
    run = RunDirectory(tmp_path / "run")
    run.create()
    return run


@pytest.fixture
def mesh(run, monkeypatch):
    mesh = Mesh(make_log_key(run), run.make_mesh_id())
    monkeypatch.setattr(audit_commands, "connect", lambda: Connection("nowhere:1", "mq_key"))
    monkeypatch.setattr(audit_commands, "Client", lambda _: mesh)
    return mesh


def verify(*options):
    """The exit code, and what was found, of `audit verify --all`."""
    done = CliRunner().invoke(app, ["audit", "verify", "--all", "--json", *options], catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout)


def notes_of(run):
    return {file: file.read_text() for file in run.seen.glob("*.note")}


def test_a_log_that_grows_is_remembered_at_its_newest(run, mesh):
    for names in ("a", "ab", "ab", "abcde"):
        mesh.records_ = tasks(*names)
        assert verify()[0] == 0
    [(file, note)] = notes_of(run).items()
    assert note == mesh.checkpoint()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_of_two_who_verify_at_once_the_one_that_ends_last_forgets_nothing(run, mesh):
    both = [SeenLogs.read(run.seen, "mq_key") for _ in range(2)]
    notes = []
    for names in ("a", "abc"):
        mesh.records_ = tasks(*names)
        notes.append(mesh.checkpoint())
    for seen, note in zip(both, reversed(notes), strict=True):
        seen.remember(note, f"{mesh.mesh}/org_1")
    assert list(notes_of(run).values()) == [notes[1]]
    mesh.records_ = tasks("a", "b")
    assert verify()[1]["faults"][0]["code"] == "log_rolled_back"


def test_a_mesh_that_goes_on_telling_records_is_not_listened_to(mesh):
    mesh.records_ = tasks("a", "b")
    told = iter(tasks(*(f"{number}" for number in range(50))))
    mesh.records = lambda _: (SimpleNamespace(record=record) for record in told)
    code, found = verify()
    assert (code, found["verified"], found["faults"][-1]["code"]) == (1, 0, "size_mismatch")
    assert len(list(told)) == 100 - 5


@pytest.mark.parametrize("left", ["", "a", "ab"])
def test_a_log_that_is_rolled_back_is_noticed_again_and_again(run, mesh, left):
    mesh.records_ = tasks("a", "b", "c")
    assert verify()[0] == 0
    before, seen = root(mesh.leaves).hex(), notes_of(run)
    mesh.records_ = tasks(*left)
    for _ in range(2):
        code, found = verify()
        assert (code, [fault["code"] for fault in found["faults"]]) == (1, ["log_rolled_back"])
        message = found["faults"][0]["message"]
        for told in (f"6 records and root {before}", f"{2 * len(left)} and root {root(mesh.leaves).hex()}"):
            assert told in message
    assert notes_of(run) == seen


@pytest.mark.parametrize("rewritten", ["abd", "abde"])
def test_a_log_that_is_rolled_back_and_goes_on_is_noticed(mesh, rewritten):
    mesh.records_ = tasks("a", "b", "c")
    assert verify()[0] == 0
    mesh.records_ = tasks(*rewritten)
    code, found = verify()
    assert (code, [fault["code"] for fault in found["faults"]]) == (1, ["log_rewritten"])


def test_a_new_log_behind_the_same_key_is_noticed(mesh):
    mesh.records_ = tasks("a")
    assert verify()[0] == 0
    mesh.organization = "org_2"
    mesh.records_ = [record.replace(b"org_1", b"org_2") for record in tasks("b")]
    code, found = verify()
    assert code == 1
    assert "log_replaced" in [fault["code"] for fault in found["faults"]]


@pytest.mark.usefixtures("run")
def test_a_key_of_ones_own_remembers_too(mesh):
    public = mesh.key.public_key().public_bytes_raw()
    own = vkey(Verifier(f"{mesh.mesh}/org_1", public))
    mesh.records_ = tasks("a", "b")
    assert verify("--key", own)[0] == 0
    mesh.records_ = tasks("a")
    assert verify("--key", own)[1]["faults"][0]["code"] == "log_rolled_back"


def test_a_remembered_checkpoint_that_does_not_verify_is_a_fault(run, mesh):
    mesh.records_ = tasks("a")
    assert verify()[0] == 0
    [file] = notes_of(run)
    other = Mesh(Ed25519PrivateKey.generate(), mesh.mesh)
    other.records_ = mesh.records_
    file.write_text(other.checkpoint())
    code, found = verify()
    assert (code, [fault["code"] for fault in found["faults"]]) == (1, ["seen_checkpoint_invalid"])
