"""Bodies: put, read, stored once, erased, and refused where anything was changed."""

import asyncio
import os
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metaqore_mesh.keys import DigestKeys
from metaqore_mesh.objects import (
    Bodies,
    BodyDamaged,
    BodyKeyRefused,
    BodyKeys,
    BodyTooLarge,
    DirectoryObjects,
    ObjectMissing,
    ObjectStoreUnavailable,
    S3Objects,
    collect_orphans,
)
from metaqore_mesh.objects.segments import SEALED_SEGMENT_BYTES, SEGMENT_BYTES

from .contract import names
from .servers import bucket, ready
from .streams import ALTERED_ROWS, LIMIT, Rows, joined, stream

ORG = "org_a"
LARGE = os.urandom(2_500_000)


@pytest.fixture(params=["directory", "seaweedfs", "minio"])
async def objects(request, tmp_path):
    if request.param == "directory":
        return await DirectoryObjects.open(tmp_path / "store", limit_bytes=LIMIT + 10_000)
    endpoint = await ready(request.getfixturevalue(f"{request.param}_endpoint"))
    store = S3Objects(bucket(endpoint), limit_bytes=LIMIT + 10_000, scratch=tmp_path)
    for name in await names(store):
        await store.delete(name)
    return store


@pytest.fixture
def bodies(objects, make_bodies):
    return make_bodies(objects)


def path_of(directory, body):
    return directory / "objects" / body.name


@pytest.mark.parametrize("text", [b"", b"x", LARGE], ids=["empty", "small", "large"])
async def test_a_body_is_read_as_it_was_put(bodies, objects, text):
    body = await bodies.put(ORG, stream(text))
    assert await joined(bodies.read(body)) == text
    assert body.text == DigestKeys(b"d" * 32).commit(ORG, text)
    assert await names(objects) == [body.name]
    sealed = await joined(objects.get(body.name))
    assert not text or text[:1_000] not in sealed or len(text) == 1


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        *((0, 0), (0, 5), (5, None), (SEGMENT_BYTES, 1), (SEGMENT_BYTES - 1, 2), (70_000, 100_000), (2_499_999, 5)),
        *((2_500_000, 5), (9_000_000, None), (2 * SEGMENT_BYTES, SEGMENT_BYTES), (1_000_000, 1_500_000)),
    ],
)
async def test_a_range_is_read_by_its_segments(bodies, offset, length):
    body = await bodies.put(ORG, stream(LARGE))
    end = len(LARGE) if length is None else offset + length
    assert await joined(bodies.read(body, offset, length)) == LARGE[offset:end]


async def test_the_store_never_sees_an_address_or_a_key(bodies, objects):
    body = await bodies.put(ORG, stream(b"text"))
    sealed = await joined(objects.get(body.name))
    assert body.text.digest not in body.name
    assert body.wrapped_key not in sealed
    assert "wrapped_key" not in repr(body)


async def test_the_same_text_has_other_addresses_and_other_objects_in_two_organizations(bodies, rows):
    ours = await bodies.put("org_a", stream(b"text"))
    rows.keep(ours)
    theirs = await bodies.put("org_b", stream(b"text"))
    assert ours.text.digest != theirs.text.digest
    assert ours.name != theirs.name


async def test_a_kept_text_is_stored_once(bodies, objects, rows):
    body = await bodies.put(ORG, stream(LARGE))
    rows.keep(body)
    again = await bodies.put(ORG, stream(LARGE[:100], LARGE[100:]))
    assert again == body
    assert await names(objects) == [body.name]
    assert await objects.sweep(0) == 0


async def test_a_text_whose_row_was_never_written_is_stored_again(bodies, objects):
    first, second = await bodies.put(ORG, stream(b"text")), await bodies.put(ORG, stream(b"text"))
    assert first.text == second.text
    assert first.name != second.name
    await bodies.discard(first)
    assert await names(objects) == [second.name]
    assert await joined(bodies.read(second)) == b"text"


async def test_an_erased_body_is_gone_and_its_text_is_stored_under_another_key(bodies, objects, rows):
    body = await bodies.put(ORG, stream(b"text"))
    rows.keep(body)
    sealed = await joined(objects.get(body.name))
    await bodies.erase(body, rows.forgetting(body))
    assert await names(objects) == []
    with pytest.raises(ObjectMissing):
        await joined(bodies.read(body))

    again = await bodies.put(ORG, stream(b"text"))
    assert again.text == body.text
    assert again.name != body.name
    assert await joined(objects.get(again.name)) != sealed

    # A copy of the erased object, as a backup may hold it, opens with nothing that is left.
    await objects.put(again.name, stream(sealed))
    with pytest.raises(BodyDamaged):
        await joined(bodies.read(again))
    with pytest.raises(BodyKeyRefused):
        await joined(bodies.read(replace(body, wrapped_key=again.wrapped_key)))


async def test_a_late_deletion_of_the_erased_object_does_not_reach_the_new_one(bodies, rows):
    body = await bodies.put(ORG, stream(b"text"))
    await bodies.erase(body, Rows().forget_nothing)
    again = await bodies.put(ORG, stream(b"text"))
    rows.keep(again)
    await bodies.discard(body)
    assert await joined(bodies.read(again)) == b"text"


async def test_the_key_is_forgotten_before_the_object_is_deleted(bodies, objects):
    body = await bodies.put(ORG, stream(b"text"))
    there = []

    async def forget():
        there.append(await objects.size(body.name) is not None)

    await bodies.erase(body, forget)
    assert there == [True]


async def test_an_erasure_that_could_not_forget_deletes_nothing(bodies):
    async def failing():
        raise ZeroDivisionError

    body = await bodies.put(ORG, stream(b"text"))
    with pytest.raises(ZeroDivisionError):
        await bodies.erase(body, failing)
    assert await joined(bodies.read(body)) == b"text"


async def test_an_erasure_holds_though_the_store_is_away_and_the_collector_ends_it(bodies, objects, rows, monkeypatch):
    body = await bodies.put(ORG, stream(b"text"))
    rows.keep(body)

    async def away(_self, _name):
        raise ObjectStoreUnavailable("it is away")

    with monkeypatch.context() as patch:
        patch.setattr(type(objects), "delete", away)
        await bodies.erase(body, rows.forgetting(body))
    assert rows.kept == {}
    assert await names(objects) == [body.name]
    assert await collect_orphans(objects, rows, older_than_s=-5) == 1
    assert await names(objects) == []


async def test_a_kept_body_whose_object_or_key_is_lost_is_stored_anew(bodies, objects, rows):
    body = await bodies.put(ORG, stream(b"text"))
    rows.keep(body)
    await objects.delete(body.name)
    anew = await bodies.put(ORG, stream(b"text"))
    assert anew.name != body.name

    rows.keep(replace(anew, wrapped_key=body.wrapped_key))
    third = await bodies.put(ORG, stream(b"text"))
    assert third.name != anew.name
    assert await joined(bodies.read(third)) == b"text"


async def test_too_long_a_text_is_refused_before_it_ends(bodies, objects):
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += 100_000
            yield b"x" * 100_000

    with pytest.raises(BodyTooLarge) as refused:
        await bodies.put(ORG, endless())
    assert refused.value.code == "body_too_large"
    assert taken <= LIMIT + 100_000
    assert await names(objects) == []
    assert await objects.sweep(0) == 0
    await bodies.put(ORG, stream(b"x" * LIMIT))


async def test_the_collector_takes_old_orphans_alone(bodies, objects, rows):
    kept = await bodies.put(ORG, stream(b"kept"))
    rows.keep(kept)
    await bodies.put(ORG, stream(b"orphan"))
    await objects.put("other/object", stream(b"not a body"))
    assert await collect_orphans(objects, rows) == 0
    assert await collect_orphans(objects, rows, older_than_s=-5) == 1
    assert await names(objects) == [kept.name, "other/object"]


# What follows alters files: the directory stands for any store.


@pytest.fixture
async def at_home(tmp_path, make_bodies):
    objects = await DirectoryObjects.open(tmp_path / "store", limit_bytes=LIMIT + 10_000)
    return make_bodies(objects), tmp_path / "store"


@pytest.mark.parametrize(
    "alter",
    [
        pytest.param(lambda sealed: sealed[:-1], id="a byte less"),
        pytest.param(lambda sealed: sealed[:SEALED_SEGMENT_BYTES], id="a segment less"),
        pytest.param(lambda _: b"", id="nothing left"),
        pytest.param(lambda sealed: sealed + b"x", id="a byte more"),
        pytest.param(lambda sealed: sealed + sealed[-1_016:], id="the last segment twice"),
        pytest.param(
            lambda sealed: (
                sealed[SEALED_SEGMENT_BYTES : 2 * SEALED_SEGMENT_BYTES]
                + sealed[:SEALED_SEGMENT_BYTES]
                + sealed[2 * SEALED_SEGMENT_BYTES :]
            ),
            id="segments exchanged",
        ),
    ],
)
async def test_an_altered_object_is_refused(at_home, alter):
    bodies, directory = at_home
    body = await bodies.put(ORG, stream(LARGE[: 2 * SEGMENT_BYTES + 1_000]))
    path = path_of(directory, body)
    path.write_bytes(alter(path.read_bytes()))
    with pytest.raises(BodyDamaged) as damaged:
        await joined(bodies.read(body))
    assert damaged.value.code == "body_damaged"


async def test_what_is_read_before_the_damage_is_unaltered(at_home):
    bodies, directory = at_home
    body = await bodies.put(ORG, stream(LARGE))
    path = path_of(directory, body)
    sealed = bytearray(path.read_bytes())
    sealed[-1] ^= 1
    path.write_bytes(sealed)
    seen = []

    async def read():
        async for chunk in bodies.read(body):
            seen.append(chunk)  # noqa: PERF401 - a comprehension would lose them at the error

    with pytest.raises(BodyDamaged):
        await read()
    assert seen
    assert LARGE.startswith(b"".join(seen))
    assert await joined(bodies.read(body, 0, 100)) == LARGE[:100]


@pytest.mark.parametrize("change", ALTERED_ROWS)
async def test_a_row_that_was_altered_is_refused(at_home, change):
    bodies, _ = at_home
    body = await bodies.put(ORG, stream(b"text"))
    with pytest.raises(BodyKeyRefused) as refused:
        await joined(bodies.read(replace(body, **change)))
    assert refused.value.code == "body_key_refused"


async def test_a_size_that_was_altered_is_refused(at_home):
    bodies, _ = at_home
    body = await bodies.put(ORG, stream(b"text"))
    with pytest.raises(BodyKeyRefused):
        await joined(bodies.read(replace(body, text=replace(body.text, size_bytes=3))))


async def test_another_mesh_cannot_read(at_home, make_bodies):
    bodies, directory = at_home
    body = await bodies.put(ORG, stream(b"text"))
    other = make_bodies(await DirectoryObjects.open(directory, limit_bytes=LIMIT), root=b"s" * 32)
    with pytest.raises(BodyKeyRefused):
        await joined(other.read(body))


async def test_a_body_goes_by_in_bounded_memory(tmp_path):
    size_bytes, chunk = 64 << 20, os.urandom(1 << 20)
    objects = await DirectoryObjects.open(tmp_path / "store", limit_bytes=2 * size_bytes)
    bodies = Bodies(objects, BodyKeys(b"r" * 32), DigestKeys(b"d" * 32), Rows(), limit_bytes=size_bytes)
    tracemalloc.start()
    try:
        body = await bodies.put(ORG, stream(*[chunk] * 64))
        async for _ in bodies.read(body):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size_bytes=st.sampled_from([0, 1, 5_000, SEGMENT_BYTES, 200_000, 1_300_000]),
    cuts=st.lists(st.floats(0, 1), max_size=6),
    place=st.floats(0, 1),
    flip=st.integers(1, 255),
)
def test_any_split_gives_the_same_address_and_any_flip_is_refused(size_bytes, cuts, place, flip):
    text = LARGE[:size_bytes]
    edges = [0, *sorted(round(cut * size_bytes) for cut in cuts), size_bytes]
    chunks = [text[begin:end] for begin, end in pairwise(edges)]

    async def check(directory):
        objects = await DirectoryObjects.open(directory, limit_bytes=LIMIT)
        bodies = Bodies(objects, BodyKeys(b"r" * 32), DigestKeys(b"d" * 32), Rows(), limit_bytes=LIMIT)
        body = await bodies.put(ORG, stream(*chunks))
        assert body.text == DigestKeys(b"d" * 32).commit(ORG, text)
        assert await joined(bodies.read(body)) == text
        path = path_of(directory, body)
        sealed = bytearray(path.read_bytes())
        sealed[round(place * (len(sealed) - 1))] ^= flip
        path.write_bytes(sealed)
        with pytest.raises(BodyDamaged):
            await joined(bodies.read(body))
        with pytest.raises(BodyKeyRefused):
            await joined(bodies.read(replace(body, organization="org_b")))

    with TemporaryDirectory() as directory:
        asyncio.run(check(Path(directory)))
