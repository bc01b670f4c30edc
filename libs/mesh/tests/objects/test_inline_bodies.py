"""Small bodies, which go sealed into their rows and need no object."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import Bodies, BodyDamaged, BodyKeyRefused, BodyKeys, DirectoryObjects, collect_orphans
from metaqore_mesh.objects.segments import SEGMENT_BYTES

from .contract import names
from .streams import ALTERED_ROWS, LIMIT, Rows, joined, stream

ORG = "org_a"
INLINE = 5_000


@pytest.fixture
async def objects(tmp_path):
    return await DirectoryObjects.open(tmp_path / "store", limit_bytes=LIMIT + 10_000)


@pytest.fixture
def bodies(objects, make_bodies):
    return make_bodies(objects, inline_bytes=INLINE)


@pytest.mark.parametrize("text", [b"", b"x", b"t" * INLINE], ids=["empty", "small", "the largest"])
async def test_a_small_body_is_read_from_its_row(bodies, objects, text):
    body = await bodies.put(ORG, stream(text[:3], text[3:]))
    assert await names(objects) == []
    assert body.text == DigestKeys(b"d" * 32).commit(ORG, text)
    assert await joined(bodies.read(body)) == text
    assert not text or text[:8] not in body.sealed or len(text) == 1
    assert "sealed" not in repr(body)


async def test_a_larger_body_is_an_object(bodies, objects):
    body = await bodies.put(ORG, stream(b"t" * INLINE, b"t"))
    assert body.sealed is None
    assert await names(objects) == [body.name]
    assert bodies.put_inline(ORG, b"t" * (INLINE + 1)) is None


async def test_nothing_is_inline_where_that_is_not_wanted(objects, make_bodies):
    bodies = make_bodies(objects)
    assert bodies.put_inline(ORG, b"") is None
    assert (await bodies.put(ORG, stream(b""))).sealed is None


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 5), (5, None), (4_999, 5), (5_000, 5), (9_000, None)])
async def test_a_range_of_it_is_read(bodies, offset, length):
    text = bytes(range(250)) * 20
    body = bodies.put_inline(ORG, text)
    end = len(text) if length is None else offset + length
    assert await joined(bodies.read(body, offset, length)) == text[offset:end]


async def test_each_time_it_has_another_key(bodies):
    one, two = bodies.put_inline(ORG, b"text"), bodies.put_inline(ORG, b"text")
    assert one.text == two.text
    assert one.name != two.name
    with pytest.raises(BodyDamaged):
        await joined(bodies.read(replace(two, sealed=one.sealed)))
    with pytest.raises(BodyKeyRefused):
        await joined(bodies.read(replace(two, wrapped_key=one.wrapped_key)))


async def test_a_text_that_was_kept_inline_is_not_stored_again_as_an_object(bodies, objects, rows, make_bodies):
    rows.keep(bodies.put_inline(ORG, b"text"))
    again = await make_bodies(objects).put(ORG, stream(b"text"))
    assert await joined(bodies.read(again)) == b"text"
    assert await names(objects) == []


async def test_its_erasure_and_the_collector_leave_the_store_alone(bodies, objects, rows, monkeypatch):
    other = await bodies.put(ORG, stream(b"t" * SEGMENT_BYTES))
    body = bodies.put_inline(ORG, b"text")
    rows.keep(other)
    rows.keep(body)
    assert await collect_orphans(objects, rows, older_than_s=-5) == 0

    async def away(_self, _name):
        raise AssertionError("the store was asked")

    monkeypatch.setattr(type(objects), "delete", away)
    await bodies.erase(body, rows.forgetting(body))
    assert list(rows.kept.values()) == [other]


@pytest.mark.parametrize("change", ALTERED_ROWS)
async def test_a_row_that_was_altered_is_refused(bodies, change):
    body = bodies.put_inline(ORG, b"text")
    with pytest.raises(BodyKeyRefused):
        await joined(bodies.read(replace(body, **change)))


@given(text=st.binary(max_size=300), place=st.floats(0, 1), flip=st.integers(1, 255), cut=st.integers(1, 20))
async def test_whatever_is_changed_in_it_is_refused(text, place, flip, cut):
    keys = BodyKeys(b"r" * 32), DigestKeys(b"d" * 32), Rows()
    bodies = Bodies(None, *keys, limit_bytes=LIMIT, inline_bytes=INLINE)
    body = bodies.put_inline(ORG, text)
    assert await joined(bodies.read(body)) == text
    sealed = bytearray(body.sealed)
    sealed[round(place * (len(sealed) - 1))] ^= flip
    for altered in (bytes(sealed), body.sealed[:-cut], body.sealed + b"x" * cut, b""):
        with pytest.raises(BodyDamaged):
            await joined(bodies.read(replace(body, sealed=altered)))
