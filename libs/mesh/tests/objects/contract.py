"""What every `ObjectStore` does. Subclass it and give `objects`, empty, of a limit of `LIMIT` bytes."""

import asyncio
import os
import time
from contextlib import aclosing

import pytest

from metaqore_mesh.objects import ObjectMissing, ObjectNameInvalid, ObjectTooLarge

from .streams import LIMIT, joined, stream

LARGE = os.urandom(2_500_000)


async def names(objects, prefix=""):
    return sorted([stored.name async for stored in objects.list(prefix)])


class ObjectStoreContract:
    @pytest.mark.parametrize(
        "chunks",
        [
            pytest.param([], id="no chunk"),
            pytest.param([b""], id="an empty one"),
            pytest.param([b"a"], id="one byte"),
            pytest.param([b"a", b"", b"bc"], id="some"),
            pytest.param([LARGE], id="a large one"),
            pytest.param([LARGE[at : at + 70_000] for at in range(0, len(LARGE), 70_000)], id="many"),
            pytest.param([LARGE[: 1 << 20]], id="exactly one piece"),
        ],
    )
    async def test_what_was_put_is_there(self, objects, chunks):
        whole = b"".join(chunks)
        assert await objects.put("a/b", stream(*chunks)) == len(whole)
        assert await joined(objects.get("a/b")) == whole
        assert await objects.size("a/b") == len(whole)

    @pytest.mark.parametrize(
        ("offset", "length"),
        [
            (0, 0),
            (0, 1),
            (0, None),
            (3, 4),
            (9, 1),
            (9, 9),
            (10, 1),
            (10, None),
            (50, None),
            (2, None),
            (0, 10),
            (5, 0),
        ],
    )
    async def test_a_range_ends_where_the_object_does(self, objects, offset, length):
        await objects.put("a", stream(b"0123456789"))
        end = 10 if length is None else offset + length
        assert await joined(objects.get("a", offset, length)) == b"0123456789"[offset:end]

    async def test_a_range_of_a_large_object(self, objects):
        await objects.put("a", stream(LARGE))
        assert await joined(objects.get("a", 1_000_001, 1_200_000)) == LARGE[1_000_001:2_200_001]

    async def test_what_was_never_put_is_missing(self, objects):
        await objects.put("a/b", stream(b"x"))
        for name in ("b", "a/c", "a/b2", "c/d/e"):
            assert await objects.size(name) is None
            with pytest.raises(ObjectMissing) as missing:
                await joined(objects.get(name))
            assert missing.value.code == "object_missing"
            with pytest.raises(ObjectMissing):
                await joined(objects.get(name, 5, 5))

    async def test_putting_again_replaces_the_whole(self, objects):
        await objects.put("a", stream(LARGE))
        await objects.put("a", stream(b"new"))
        assert await joined(objects.get("a")) == b"new"
        assert await objects.size("a") == 3

    async def test_deleting_may_be_repeated(self, objects):
        await objects.put("a/b", stream(b"x"))
        for _ in range(2):
            await objects.delete("a/b")
            assert await objects.size("a/b") is None
        await objects.delete("never/was")
        assert await names(objects) == []

    async def test_a_list_shows_what_is_under_a_prefix(self, objects):
        for name in ("a", "b/a", "b/b", "b/c/d", "bb/a"):
            await objects.put(name, stream(b"12"))
        assert await names(objects) == ["a", "b/a", "b/b", "b/c/d", "bb/a"]
        assert await names(objects, "b/") == ["b/a", "b/b", "b/c/d"]
        assert await names(objects, "b/c/") == ["b/c/d"]
        assert await names(objects, "none/") == []
        [stored] = [stored async for stored in objects.list("bb/")]
        assert stored.size_bytes == 2
        assert abs(time.time() - stored.stored_at_s) < 60

    async def test_a_long_list_is_whole(self, objects):
        wanted = {f"many/{number:04}" for number in range(1_100)}
        limit = asyncio.Semaphore(16)

        async def put(name):
            async with limit:
                await objects.put(name, stream(b"x"))

        await asyncio.gather(*map(put, wanted))
        assert await names(objects) == sorted(wanted)

    async def test_too_long_a_stream_is_refused_before_it_ends_and_leaves_nothing(self, objects):
        taken = 0

        async def endless():
            nonlocal taken
            while True:
                taken += 100_000
                yield b"x" * 100_000

        with pytest.raises(ObjectTooLarge) as refused:
            await objects.put("a", endless())
        assert refused.value.code == "object_too_large"
        assert taken <= LIMIT + 100_000
        assert await names(objects) == []
        assert await objects.sweep(0) == 0

    async def test_as_much_as_the_limit_is_taken(self, objects):
        assert await objects.put("a", stream(b"x" * LIMIT)) == LIMIT

    @pytest.mark.parametrize("before", [0, 10, 2_000_000])
    async def test_an_error_of_the_stream_passes_through_and_changes_nothing(self, objects, before):
        async def failing():
            yield b"x" * before
            raise ZeroDivisionError

        await objects.put("a", stream(b"old"))
        for name in ("a", "b"):
            with pytest.raises(ZeroDivisionError):
                await objects.put(name, failing())
        assert await names(objects) == ["a"]
        assert await joined(objects.get("a")) == b"old"
        assert await objects.sweep(0) == 0

    async def test_a_cancelled_put_changes_nothing(self, objects):
        waiting = asyncio.Event()

        async def stuck():
            yield LARGE
            waiting.set()
            await asyncio.Event().wait()

        await objects.put("a", stream(b"old"))
        task = asyncio.create_task(objects.put("a", stuck()))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await joined(objects.get("a")) == b"old"
        assert await objects.sweep(0) == 0

    async def test_puts_of_one_name_at_once_leave_one_of_them_whole(self, objects):
        texts = [bytes([number]) * 1_500_000 for number in range(6)]
        await asyncio.gather(*(objects.put("a", stream(text)) for text in texts))
        assert await joined(objects.get("a")) in texts
        assert await objects.sweep(0) == 0

    async def test_a_reader_may_stop_early(self, objects):
        await objects.put("a", stream(LARGE))
        async with aclosing(objects.get("a")) as chunks:
            assert LARGE.startswith(await anext(chunks))
        await objects.delete("a")

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "",
                "/",
                "/a",
                "a/",
                "a//b",
                ".",
                "..",
                "a/../b",
                "a/.b",
                ".a",
                "a b",
                "a%2e",
                "a\\b",
                "a\n",
                "ä",
                "a/\0",
            ),
            *("a?b", "a#b", "a:b", "-a", "a" * 201, "a/" * 450 + "a"),
        ],
    )
    async def test_what_is_no_name_is_refused_everywhere(self, objects, name):
        for asked in (
            objects.put(name, stream(b"x")),
            objects.size(name),
            objects.delete(name),
            joined(objects.get(name)),
        ):
            with pytest.raises(ObjectNameInvalid):
                await asked
        if name and not name.endswith("/"):
            with pytest.raises(ObjectNameInvalid):
                await names(objects, name)
