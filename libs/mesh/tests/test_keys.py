import base64
import hashlib
import hmac
import os
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaqore_mesh.keys import (
    DigestKeys,
    KeyFileError,
    load_mesh_token,
    load_public_key,
    load_writer_public_key,
    make_digest_keys,
    make_log_key,
    make_writer_key,
)
from metaqore_mesh.run_directory import RunDirectory


@pytest.fixture
def run(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.create()
    return run


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_writer_keeps_its_id_and_key(run):
    first, again = make_writer_key(run), make_writer_key(run)
    assert first.writer == again.writer
    assert first.public_bytes == again.public_bytes
    assert first.writer.startswith("gw-")


def test_two_run_directories_have_two_writers(tmp_path):
    one, other = (make_writer_key(RunDirectory(tmp_path / name)) for name in ("a", "b"))
    assert one.writer != other.writer
    assert one.key_id != other.key_id


def test_the_key_id_is_the_head_of_the_hash_of_the_public_key(run):
    key = make_writer_key(run)
    assert key.key_id == hashlib.sha256(key.public_bytes).hexdigest()[:16]


def test_what_the_writer_signs_verifies_with_the_published_key(run):
    key = make_writer_key(run)
    public = Ed25519PublicKey.from_public_bytes(load_writer_public_key(run, key.writer))
    public.verify(key.sign(b"head"), b"head")


def test_secret_files_are_for_their_owner_alone_whatever_the_umask(run):
    old = os.umask(0)
    try:
        make_writer_key(run), make_log_key(run), make_digest_keys(run), run.make_mesh_token()
    finally:
        os.umask(old)
    assert {mode(path) for path in run.keys.iterdir()} == {0o600}
    assert mode(run.keys) == 0o700


def test_public_keys_may_be_read_by_all(run):
    key = make_writer_key(run)
    make_log_key(run)
    assert mode(run.log_public_key) == mode(run.writers / f"{key.writer}.pub") == 0o644


def test_no_secret_is_in_the_repr(run):
    assert "PrivateKey" not in repr(make_writer_key(run))


@pytest.mark.parametrize("name", ["writer_key", "log_key", "digest_key"])
def test_a_secret_that_others_may_read_is_refused(run, name):
    makers = {"writer_key": make_writer_key, "log_key": make_log_key, "digest_key": make_digest_keys}
    makers[name](run)
    getattr(run, name).chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600") as refused:
        makers[name](run)
    assert refused.value.code == "key_file_open"


@pytest.mark.parametrize(
    ("name", "make", "content"),
    [
        pytest.param("writer_key", make_writer_key, b"writer: gw-x\n", id="a writer without a key"),
        pytest.param("writer_key", make_writer_key, b"", id="an empty writer key"),
        pytest.param(
            "log_key", make_log_key, b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----", id="PEM"
        ),
        pytest.param("digest_key", make_digest_keys, b"c2hvcnQ=", id="a short digest key"),
        pytest.param("digest_key", make_digest_keys, b"\xff", id="a digest key that is no base64"),
    ],
)
def test_a_broken_secret_is_named(run, name, make, content):
    path = getattr(run, name)
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match=str(path)) as refused:
        make(run)
    assert refused.value.code == "key_file_invalid"


def test_a_pinned_log_key_is_never_replaced(run):
    make_log_key(run)
    pinned = run.log_public_key.read_bytes()
    run.log_key.unlink()
    with pytest.raises(KeyFileError) as refused:
        make_log_key(run)
    assert refused.value.code == "public_key_differs"
    assert run.log_public_key.read_bytes() == pinned


def test_a_public_key_may_be_one_line_of_base64(tmp_path):
    raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    path = tmp_path / "log.pub"
    path.write_bytes(base64.b64encode(raw) + b"\n")
    assert load_public_key(path) == raw


@pytest.mark.parametrize("content", [b"", b"AAAA", b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----", b"\xff"])
def test_a_broken_public_key_is_refused(tmp_path, content):
    path = tmp_path / "log.pub"
    path.write_bytes(content)
    with pytest.raises(KeyFileError) as refused:
        load_public_key(path)
    assert refused.value.code == "key_file_invalid"


@pytest.mark.parametrize("writer", ["../log", "gw-" + "a" * 26, "", "gw-a/b", "gw-\n"])
def test_an_unknown_writer_has_no_key_and_reaches_no_other_file(run, writer):
    make_log_key(run)
    with pytest.raises(KeyFileError) as refused:
        load_writer_public_key(run, writer)
    assert refused.value.code == "writer_unknown"


def test_the_mesh_token_is_read_back(run):
    token = run.make_mesh_token()
    assert load_mesh_token(run.mesh_token) == token
    with pytest.raises(KeyFileError):
        load_mesh_token(run.path / "none")


def test_a_text_has_one_digest_in_an_organization_and_another_elsewhere():
    keys = DigestKeys(b"r" * 32)
    here, again, there = keys.commit("org_a", b"hi"), keys.commit("org_a", b"hi"), keys.commit("org_b", b"hi")
    assert here == again
    assert here.digest != there.digest
    assert here.key_id != there.key_id
    assert here.size_bytes == 2
    assert here.digest != hmac.digest(b"r" * 32, b"hi", "sha256").hex()


def test_digest_keys_last_and_differ_between_meshes(run, tmp_path):
    text = ("org_a", b"hi")
    assert make_digest_keys(run).commit(*text) == make_digest_keys(run).commit(*text)
    other = RunDirectory(tmp_path / "other")
    assert make_digest_keys(other).commit(*text) != make_digest_keys(run).commit(*text)


@given(st.lists(st.binary()))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_running_commitment_is_that_of_the_whole(pieces):
    keys = DigestKeys(b"r" * 32)
    running = keys.running("org_a")
    for piece in pieces:
        running.update(piece)
    assert running.commitment() == keys.commit("org_a", b"".join(pieces))
