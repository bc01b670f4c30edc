"""Which key a verification trusts."""

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_cli.trust import trusted
from metaqore_governance_core.checkpoints import Checkpoint, sign_checkpoint
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.merkle import EMPTY_ROOT
from metaqore_governance_core.notes import Verifier, vkey
from metaqore_mesh.keys import make_log_key
from metaqore_mesh.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("METAQORE_RUN_DIR", str(tmp_path))
    return RunDirectory(tmp_path)


def raw(key):
    return key.public_key().public_bytes_raw()


@pytest.mark.usefixtures("run")
def test_without_a_pinned_key_it_says_what_to_do():
    with pytest.raises(MetaQoreError, match="--key") as refused:
        trusted(None)
    assert refused.value.code == "no_pinned_key"


def test_the_key_pinned_in_the_run_directory_is_trusted_with_the_meshs_name(run):
    run.create()
    key, mesh = make_log_key(run), run.make_mesh_id()
    trust = trusted(None)
    assert trust.public_key == raw(key)
    assert trust.origin_of("org_1", "no note is looked at") == f"{mesh}/org_1"


def test_a_file_is_trusted_and_the_meshs_name_is_the_one_it_signed(run):
    run.create()
    key = make_log_key(run)
    note = sign_checkpoint(Checkpoint("some-mesh/org_1", 0, EMPTY_ROOT), key)
    trust = trusted(str(run.log_public_key))
    assert (trust.public_key, trust.origin_of("org_1", note)) == (raw(key), "some-mesh/org_1")


@pytest.mark.parametrize("in_a_file", [True, False])
def test_a_vkey_fixes_the_origin(tmp_path, in_a_file):
    public = raw(Ed25519PrivateKey.generate())
    given = vkey(Verifier("mesh/org_1", public))
    if in_a_file:
        file = tmp_path / "log.vkey"
        file.write_text(given + "\n")
        given = str(file)
    trust = trusted(given)
    assert (trust.public_key, trust.origin) == (public, "mesh/org_1")


def test_a_key_in_base64_is_one_whatever_signs_are_in_it(tmp_path):
    keys = (raw(Ed25519PrivateKey.generate()) for _ in range(10_000))
    public = next(key for key in keys if b64encode(key).count(b"+") > 1)
    file = tmp_path / "log.pub"
    file.write_bytes(b64encode(public) + b"\n")
    assert trusted(str(file)).public_key == public


def test_what_is_no_key_is_refused(tmp_path):
    file, bytes_ = tmp_path / "log.pub", tmp_path / "log.bin"
    file.write_text("nonsense")
    bytes_.write_bytes(b"\xff\x00")
    for given in (str(file), str(bytes_), "a+b+c", str(tmp_path / "missing")):
        with pytest.raises(MetaQoreError):
            trusted(given)
