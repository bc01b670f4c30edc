"""Signed notes and checkpoints, against the reference implementation's example."""

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from metaqore_governance_core.checkpoints import (
    Checkpoint,
    checkpoint_text,
    log_origin,
    open_checkpoint,
    parse_checkpoint,
    sign_checkpoint,
)
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.keys import SignatureInvalidError
from metaqore_governance_core.merkle import EMPTY_ROOT, leaf_hash
from metaqore_governance_core.notes import NoteError, Verifier, key_hash, open_note, parse_vkey, sign_note, vkey

# From the documentation of golang.org/x/mod/sumdb/note.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
NEUMANN = parse_vkey(VKEY)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()
ORIGIN = log_origin("mesh", "org_1")


def test_the_reference_note_opens_and_is_signed_alike():
    assert open_note(NOTE, [NEUMANN]) == TEXT
    assert sign_note(TEXT, "PeterNeumann", Ed25519PrivateKey.from_private_bytes(SEED)) == NOTE
    assert vkey(NEUMANN) == VKEY
    assert key_hash(NEUMANN.name, NEUMANN.public_key).hex() == "c74f20a3"


def test_the_key_of_the_go_checksum_database_is_read():
    key = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert vkey(parse_vkey(key + "\n")) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        VKEY.replace("c74f20a3", "c74f20a4"),
        VKEY.replace("Peter", "Paul"),
        VKEY[:-4],
        VKEY.replace("ARpc", "ABpc"),
        "PRIVATE+KEY+" + VKEY,
        VKEY.replace("PeterNeumann", "Peter Neumann"),
        VKEY + "é",
    ],
)
def test_another_vkey_is_refused(text):
    with pytest.raises(NoteError) as refused:
        parse_vkey(text)
    assert refused.value.code in {"vkey_invalid", "key_name_invalid"}


def test_a_note_with_any_bit_flipped_does_not_open():
    raw = NOTE.encode()
    for bit in range(len(raw) * 8):
        flipped = (int.from_bytes(raw) ^ 1 << bit).to_bytes(len(raw))
        try:
            changed = flipped.decode()
        except UnicodeDecodeError:
            continue
        with pytest.raises(MetaQoreError):
            open_note(changed, [NEUMANN])


@pytest.mark.parametrize(
    ("note", "code"),
    [
        pytest.param("", "note_invalid", id="nothing"),
        pytest.param(TEXT, "note_invalid", id="no signature"),
        pytest.param(TEXT + "\n", "note_invalid", id="no signature line"),
        pytest.param(NOTE[:-1], "note_invalid", id="cut off"),
        pytest.param(NOTE + "more", "note_invalid", id="text after it"),
        pytest.param(NOTE.replace("— ", "- "), "note_invalid", id="another dash"),
        pytest.param(NOTE.replace("If", "\tIf"), "note_invalid", id="a control character"),
        pytest.param(NOTE.replace("cryptography", "prayer"), "signature_invalid", id="another text"),
        pytest.param(TEXT + "\n" + "— x AAAAAAAA\n" * 101, "note_invalid", id="very many signatures"),
        pytest.param(TEXT + "\n— PeterNeumann x08gowAA\n", "signature_invalid", id="a short signature"),
        pytest.param(sign_note(TEXT, "somebody", KEY), "note_unverified", id="a stranger's signature"),
        pytest.param(sign_note(TEXT, "PeterNeumann", KEY), "note_unverified", id="a namesake's signature"),
    ],
)
def test_a_note_that_does_not_open(note, code):
    with pytest.raises(MetaQoreError) as refused:
        open_note(note, [NEUMANN])
    assert refused.value.code == code


def test_signatures_by_others_are_passed_over():
    stranger = sign_note(TEXT, "somebody", KEY).rpartition("\n\n")[2]
    assert open_note(NOTE + stranger, [NEUMANN]) == TEXT
    assert open_note(NOTE + stranger, [Verifier("somebody", PUBLIC), NEUMANN]) == TEXT


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\n", "\u2003"])
def test_a_key_has_a_name_that_fits_a_line(name):
    with pytest.raises(NoteError):
        sign_note(TEXT, name, KEY)


@pytest.mark.parametrize("text", ["", "no newline", "bell\x07\n", "half \ud800\n"])
def test_a_text_that_is_no_note_is_not_signed(text):
    with pytest.raises(NoteError):
        sign_note(text, "key", KEY)


def test_a_checkpoint_is_three_lines_under_the_logs_name():
    note = sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), KEY)
    lines = note.split("\n")
    assert lines[:4] == ["mesh/org_1", "0", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ""]
    assert lines[4].startswith("— mesh/org_1 ")


@given(st.integers(0, 2**60), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_comes_back(size, root):
    checkpoint = Checkpoint(ORIGIN, size, root)
    assert open_checkpoint(sign_checkpoint(checkpoint, KEY), ORIGIN, PUBLIC) == checkpoint


def test_extension_lines_are_passed_over():
    checkpoint = Checkpoint(ORIGIN, 3, leaf_hash(b""))
    note = sign_note(checkpoint_text(checkpoint) + "more to say\n", ORIGIN, KEY)
    assert open_checkpoint(note, ORIGIN, PUBLIC) == checkpoint


def test_a_checkpoint_of_another_log_is_refused():
    other = Checkpoint("mesh/org_2", 3, leaf_hash(b""))
    with pytest.raises(NoteError) as refused:
        open_checkpoint(sign_checkpoint(other, KEY), ORIGIN, PUBLIC)
    assert refused.value.code == "note_unverified"
    with pytest.raises(NoteError) as refused:
        open_checkpoint(sign_note(checkpoint_text(other), ORIGIN, KEY), ORIGIN, PUBLIC)
    assert refused.value.code == "checkpoint_origin_differs"


def test_another_key_is_refused():
    note = sign_checkpoint(Checkpoint(ORIGIN, 3, leaf_hash(b"")), KEY)
    with pytest.raises(NoteError):
        open_checkpoint(note, ORIGIN, NEUMANN.public_key)


def test_a_forged_signature_is_refused():
    note = sign_checkpoint(Checkpoint(ORIGIN, 3, leaf_hash(b"")), KEY)
    forged = f"{ORIGIN}\n4\n" + note.split("\n", 2)[2]
    with pytest.raises(SignatureInvalidError):
        open_checkpoint(forged, ORIGIN, PUBLIC)


ROOT = b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        f"origin\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"origin\n01\n{ROOT}\n",
        f"origin\n-1\n{ROOT}\n",
        f"origin\n٣\n{ROOT}\n",
        f"origin\n1_0\n{ROOT}\n",
        f"origin\n\n{ROOT}\n",
        "origin\n1\nAAAA\n",
        "origin\n1\nnot base64!\n",
        f"origin\n1\n{ROOT[:-2]}B=\n",
    ],
)
def test_another_text_is_no_checkpoint(text):
    with pytest.raises(NoteError) as refused:
        parse_checkpoint(text)
    assert refused.value.code == "checkpoint_invalid"
