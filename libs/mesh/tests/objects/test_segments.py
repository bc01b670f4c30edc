"""STREAM over AES-256-GCM: any split gives the same text, any change is refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_mesh.objects.segments import (
    SEALED_SEGMENT_BYTES,
    SEGMENT_BYTES,
    Opener,
    Sealer,
    SegmentRefused,
    sealed_size,
    segment_count,
)

KEY = b"k" * 32
SIZES = st.sampled_from(
    [0, 1, 100, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES + 7]
)


def text_of(size_bytes):
    return bytes(number * 31 % 251 for number in range(997)) * (size_bytes // 997 + 1) if size_bytes else b""


def sealed(text, cuts=()):
    sealer = Sealer(KEY)
    return b"".join([*map(sealer.seal, split(text, cuts)), sealer.finish()])


def opened(content, size_bytes, cuts=(), key=KEY):
    opener = Opener(key, size_bytes)
    text = b"".join(map(opener.open, split(content, cuts)))
    opener.finish()
    return text


def split(content, cuts):
    edges = [0, *sorted(round(cut * len(content)) for cut in cuts), len(content)]
    return [content[begin:end] for begin, end in pairwise(edges)]


CUTS = st.lists(st.floats(0, 1), max_size=6)


@given(SIZES, CUTS, CUTS)
def test_any_split_gives_the_same(size_bytes, cuts, other_cuts):
    text = text_of(size_bytes)[:size_bytes]
    content = sealed(text, cuts)
    assert content == sealed(text)
    assert len(content) == sealed_size(size_bytes)
    assert opened(content, size_bytes, other_cuts) == text


@given(SIZES, st.floats(0, 1), st.integers(1, 255))
def test_any_flip_is_refused(size_bytes, where, flip):
    content = bytearray(sealed(text_of(size_bytes)[:size_bytes]))
    content[round(where * (len(content) - 1))] ^= flip
    with pytest.raises(SegmentRefused):
        opened(bytes(content), size_bytes)


@given(SIZES, st.floats(0, 1), CUTS)
def test_any_truncation_is_refused_also_where_the_size_is_lied_about(size_bytes, where, cuts):
    content = sealed(text_of(size_bytes)[:size_bytes])
    kept = content[: round(where * (len(content) - 1))]
    for claimed in (size_bytes, max(0, len(kept) - segment_count(len(kept)) * 16)):
        with pytest.raises(SegmentRefused):
            opened(kept, claimed, cuts)


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_a_text_that_ends_with_a_whole_segment_early_is_refused(segments):
    size_bytes = 3 * SEGMENT_BYTES + 7
    content = sealed(text_of(size_bytes)[:size_bytes])
    with pytest.raises(SegmentRefused):
        opened(content[: segments * SEALED_SEGMENT_BYTES], segments * SEGMENT_BYTES)


@given(SIZES, st.binary(min_size=1, max_size=20))
def test_any_extension_is_refused(size_bytes, more):
    content = sealed(text_of(size_bytes)[:size_bytes]) + more
    for claimed in (size_bytes, size_bytes + len(more)):
        with pytest.raises(SegmentRefused):
            opened(content, claimed)


@given(st.permutations(range(4)).filter(lambda order: order != [0, 1, 2, 3]))
def test_segments_in_another_order_are_refused(order):
    size_bytes = 4 * SEGMENT_BYTES
    content = sealed(text_of(size_bytes)[:size_bytes])
    segments = [content[at : at + SEALED_SEGMENT_BYTES] for at in range(0, len(content), SEALED_SEGMENT_BYTES)]
    with pytest.raises(SegmentRefused):
        opened(b"".join(segments[number] for number in order), size_bytes)


def test_another_key_is_refused():
    with pytest.raises(SegmentRefused):
        opened(sealed(b"text"), 4, key=b"j" * 32)


def test_equal_segments_are_sealed_differently():
    content = sealed(b"\0" * (2 * SEGMENT_BYTES))
    assert content[:SEGMENT_BYTES] != content[SEALED_SEGMENT_BYTES : SEALED_SEGMENT_BYTES + SEGMENT_BYTES]


def test_the_format_stays_as_it_is():
    """Each number is of this format's first version; a change of them makes every stored body unreadable."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - what an independent reader needs

    text = b"a" * SEGMENT_BYTES + b"b"
    first, last = sealed(text)[:SEALED_SEGMENT_BYTES], sealed(text)[SEALED_SEGMENT_BYTES:]
    assert AESGCM(KEY).decrypt(bytes(12), first, None) == b"a" * 65_536
    assert AESGCM(KEY).decrypt(bytes(10) + b"\1\1", last, None) == b"b"
