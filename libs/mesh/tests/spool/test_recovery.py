"""What a spool holds after a crash at any point, and what it says of damage."""

import os

import pytest

from metaqore_mesh.keys import WriterKey
from metaqore_mesh.spool import SpoolCorrupt, SpoolUnreadable
from metaqore_mesh.spool.disk import PosixDisk
from metaqore_mesh.spool.frames import HEAD_BYTES, frames
from metaqore_mesh.spool.recovery import recover
from metaqore_mesh.spool.segments import segment_paths

pytestmark = pytest.mark.asyncio(loop_factories=["uvloop"])

SMALL = {"segment_bytes": 2_500, "disk_bytes": 1_000_000}


async def written(make, groups, limits=SMALL):
    """A closed spool with this many groups of one record each; its segments, oldest first."""
    spool = await make.spool(limits=limits)
    for n in range(groups):
        await spool.append("org_a", make.decision(n))
    await spool.close()
    return segment_paths(make.directory)


def recovered(make, key=None):
    found = recover(make.directory, (key or make.key).writer, PosixDisk())
    os.close(found.descriptor)
    return found


def frame_offsets(path):
    """Where each frame of a segment begins, its header's first; and where the last one ends."""
    content = path.read_bytes()
    offsets = [offset for offset, _ in frames(content)]
    return [*offsets, len(content)]


async def test_a_last_frame_torn_at_any_byte_is_cut_off_and_nothing_else(make):
    (path,) = await written(make, 3, limits={})
    content = path.read_bytes()
    last = frame_offsets(path)[-2]
    for size in range(last, len(content)):
        path.write_bytes(content[:size])
        assert recovered(make).state.next_sequence == 3
        assert path.read_bytes() == content[:last]


async def test_a_last_frame_whose_blocks_came_in_any_order_is_cut_off(make):
    (path,) = await written(make, 3, limits={})
    content = path.read_bytes()
    last = frame_offsets(path)[-2]
    for start in range(last + HEAD_BYTES, len(content) - 1, 7):
        path.write_bytes(content[:start] + bytes(len(content) - start))
        assert recovered(make).state.next_sequence == 3
        path.write_bytes(content[:last] + bytes(start - last + 1) + content[start + 1 :])
        assert recovered(make).state.next_sequence == 3


async def test_a_writer_goes_on_behind_a_torn_frame(make):
    (path,) = await written(make, 3, limits={})
    path.write_bytes(path.read_bytes()[:-1])
    spool = await make.spool()
    assert (await spool.append("org_a", make.decision("new"))).sequence == 3
    assert set(spool.state.open) == {"0", "1", "new"}
    await spool.close()
    assert recovered(make).state == spool.state


async def test_nothing_behind_the_last_frame_is_no_damage(make):
    (path,) = await written(make, 3, limits={})
    path.write_bytes(path.read_bytes() + bytes(5_000))
    assert recovered(make).state.next_sequence == 4


async def test_any_flipped_bit_before_the_last_frame_is_named_with_its_place(make):
    (path,) = await written(make, 4, limits={})
    content = path.read_bytes()
    starts = frame_offsets(path)
    for offset in range(0, starts[-2], 11):
        damaged = bytearray(content)
        damaged[offset] ^= 1 << offset % 8
        path.write_bytes(damaged)
        with pytest.raises(SpoolCorrupt) as corrupt:
            recovered(make)
        assert corrupt.value.path == path
        assert corrupt.value.offset == max(start for start in starts if start <= offset)
        assert path.read_bytes() == damaged


async def test_any_flipped_bit_in_an_older_segment_is_named_with_its_place(make):
    paths = await written(make, 12)
    assert len(paths) > 2
    for path in paths[:-1]:
        content = path.read_bytes()
        starts = frame_offsets(path)
        for offset in range(0, len(content), 101):
            damaged = bytearray(content)
            damaged[offset] ^= 1 << offset % 8
            path.write_bytes(damaged)
            with pytest.raises(SpoolCorrupt, match=f"{path} is damaged at byte") as corrupt:
                recovered(make)
            assert corrupt.value.offset == max(start for start in starts if start <= offset)
        path.write_bytes(content)
    recovered(make)


async def test_a_segment_that_cannot_be_read_is_named(make):
    paths = await written(make, 12)
    content = paths[0].read_bytes()
    paths[0].unlink()
    paths[0].mkdir()
    with pytest.raises(SpoolUnreadable, match=f"{paths[0]} cannot be read"):
        recovered(make)
    paths[0].rmdir()
    paths[0].write_bytes(content)
    recovered(make)


async def test_an_older_segment_cut_short_is_damage(make):
    paths = await written(make, 12)
    content = paths[0].read_bytes()
    for size in (*frame_offsets(paths[0])[:-1], len(content) - 1):
        paths[0].write_bytes(content[:size])
        with pytest.raises(SpoolCorrupt):
            recovered(make)


async def test_a_missing_segment_is_damage(make):
    paths = await written(make, 12)
    paths[1].unlink()
    with pytest.raises(SpoolCorrupt, match="was due") as corrupt:
        recovered(make)
    assert corrupt.value.path == paths[2]


async def test_a_renamed_segment_is_damage(make):
    paths = await written(make, 3, limits={})
    paths[0].rename(paths[0].with_name(f"{5:020d}.seg"))
    with pytest.raises(SpoolCorrupt):
        recovered(make)


async def test_the_spool_of_another_writer_is_refused(make):
    await written(make, 3)
    other = WriterKey("gw-" + "b" * 26, make.key.private_key)
    with pytest.raises(SpoolCorrupt, match="belongs to the writer"):
        recovered(make, other)


@pytest.mark.parametrize("size", [0, 1, HEAD_BYTES, 40])
async def test_a_segment_that_was_not_finished_counts_for_nothing(make, size):
    paths = await written(make, 12)
    unfinished = make.directory / f"{13:020d}.seg.new"
    unfinished.write_bytes(paths[-1].read_bytes()[:size])
    assert recovered(make).state.next_sequence == 13
    assert not unfinished.exists()


async def test_a_newest_segment_without_a_sound_header_is_damage(make):
    paths = await written(make, 12)
    content = paths[-1].read_bytes()
    for size in (0, 5, 40):
        paths[-1].write_bytes(content[:size])
        with pytest.raises(SpoolCorrupt):
            recovered(make)


async def test_the_last_frame_is_written_and_synced_again(make):
    """It may never have been, or its sync may have failed."""
    (path,) = await written(make, 3, limits={})
    calls = []

    class Watched(PosixDisk):
        def write(self, descriptor, content, offset):
            calls.append(("write", offset, len(content)))
            super().write(descriptor, content, offset)

        def sync(self, descriptor):
            calls.append(("sync",))
            super().sync(descriptor)

    before = path.read_bytes()
    os.close(recover(make.directory, make.key.writer, Watched()).descriptor)
    start, end = frame_offsets(path)[-2:]
    assert calls == [("write", start, end - start), ("sync",)]
    assert path.read_bytes() == before


async def test_the_state_survives_trimming(make):
    spool = await make.spool(limits=SMALL)
    decided = [await spool.append(f"org_{n % 3}", make.decision(n, f"org_{n % 3}")) for n in range(30)]
    await spool.append("org_0", make.outcome(3, decided[3].leaf_hash, "org_0"))
    spool.release("sealed", 31)
    await spool.close()
    assert len(segment_paths(make.directory)) == 1
    state = recovered(make).state
    assert state == spool.state
    assert state.organization_sequences == {"org_0": 11, "org_1": 10, "org_2": 10}
    assert state.open["4"].leaf_hash == decided[4].leaf_hash.hex()
    assert "3" not in state.open
