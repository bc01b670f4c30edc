"""Wrapped keys open for their organization and purpose alone, and their root is one private file."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_mesh.keys import KeyFileError
from metaqore_mesh.objects import BodyKeys, make_body_keys
from metaqore_mesh.objects.body_keys import WrongKey

KEYS = BodyKeys(b"r" * 32)
KEY = b"k" * 32
WRAPPED = KEYS.wrap("org_a", KEY, b"purpose")


def test_a_wrapped_key_opens():
    assert KEYS.unwrap("org_a", WRAPPED, b"purpose") == KEY
    assert BodyKeys(b"r" * 32).unwrap("org_a", WRAPPED, b"purpose") == KEY
    assert KEY not in WRAPPED


def test_no_two_wrappings_are_alike():
    assert KEYS.wrap("org_a", KEY, b"purpose") != WRAPPED


@pytest.mark.parametrize(
    ("keys", "organization", "purpose"),
    [
        pytest.param(KEYS, "org_b", b"purpose", id="another organization"),
        pytest.param(KEYS, "org_a", b"another", id="another purpose"),
        pytest.param(BodyKeys(b"s" * 32), "org_a", b"purpose", id="another mesh"),
    ],
)
def test_it_opens_for_nobody_else(keys, organization, purpose):
    with pytest.raises(WrongKey):
        keys.unwrap(organization, WRAPPED, purpose)


@given(st.integers(0, len(WRAPPED) - 1), st.integers(1, 255))
def test_any_flip_is_refused(at, flip):
    altered = bytearray(WRAPPED)
    altered[at] ^= flip
    with pytest.raises(WrongKey):
        KEYS.unwrap("org_a", bytes(altered), b"purpose")


@given(st.integers(0, len(WRAPPED) - 1))
def test_any_truncation_is_refused(size_bytes):
    with pytest.raises(WrongKey):
        KEYS.unwrap("org_a", WRAPPED[:size_bytes], b"purpose")


def test_the_root_is_made_once_and_private(tmp_path):
    path = tmp_path / "keys" / "body.key"
    wrapped = make_body_keys(path).wrap("org_a", KEY, b"")
    assert make_body_keys(path).unwrap("org_a", wrapped, b"") == KEY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_root_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "body.key"
    make_body_keys(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError) as refused:
        make_body_keys(path)
    assert refused.value.code == "key_file_open"


@pytest.mark.parametrize("content", [b"", b"AAAA", b"not base64!"])
def test_a_root_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "body.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileError) as refused:
        make_body_keys(path)
    assert refused.value.code == "key_file_invalid"
