"""Whose keys are trusted: files in a directory, and keys given by writer."""

import base64

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from metaqore_compliance_auditor.adapters.trusted_writers import TrustDirectory


def public():
    return Ed25519PrivateKey.generate().public_key().public_bytes_raw()


async def test_a_new_file_is_found_when_an_unknown_key_appears(tmp_path):
    trust = TrustDirectory(tmp_path, {}, pause_s=0)
    await trust.reread()
    assert trust.keys == {}
    key = public()
    (tmp_path / "gw-alpha.pub").write_bytes(base64.b64encode(key))
    (tmp_path / "gw-broken.pub").write_text("no key")
    (tmp_path / "notes.txt").write_text("no key")
    await trust.reread()
    assert [(known.writer, known.public) for known in trust.keys.values()] == [("gw-alpha", key)]


async def test_strangers_cannot_make_it_read_without_end(tmp_path):
    trust = TrustDirectory(tmp_path, {}, pause_s=60)
    await trust.reread()
    (tmp_path / "gw-alpha.pub").write_bytes(base64.b64encode(public()))
    await trust.reread()
    assert trust.keys == {}


async def test_a_given_key_stays_beside_the_one_in_the_file(tmp_path):
    old, new = public(), public()
    (tmp_path / "gw-alpha.pub").write_bytes(base64.b64encode(new))
    trust = TrustDirectory(tmp_path, {"gw-alpha": old})
    assert {key.public for key in trust.keys.values()} == {old}
    await trust.reread()
    assert {key.public for key in trust.keys.values()} == {old, new}
